"""PromQL label matchers derived from the catalogue."""

from __future__ import annotations

from catalogue import Catalogue


def customer_services(catalogue: Catalogue) -> str:
    """A matcher for the services that serve customers, as opposed to operators.

    An operator's manual query to a backend may fail or be slow without affecting users; the backend has its own alerts.
    """
    return f'service!~"{"|".join(catalogue.for_operators())}"'
