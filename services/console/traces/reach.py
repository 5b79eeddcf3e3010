"""How far back traces are found: as long as they are kept, and no further than Jaeger searches."""

from __future__ import annotations

from django.conf import settings

# max_span_age in observability/jaeger/config.yaml.
JAEGER_SEARCH_DAYS = 7


def searched_seconds() -> float:
    """The age of the oldest trace that a search can find."""
    return min(settings.TRACES_RETENTION_DAYS, JAEGER_SEARCH_DAYS) * 86400.0


def search_limit() -> str:
    """Why a search ends there, for people."""
    kept: int = settings.TRACES_RETENTION_DAYS
    return (
        f"Traces are kept {days(kept)}"
        if kept <= JAEGER_SEARCH_DAYS
        else f"Jaeger searches {days(JAEGER_SEARCH_DAYS)} back"
    )


def days(number: int) -> str:
    """`1 day`, `3 days`."""
    return f"{number} day" if number == 1 else f"{number} days"
