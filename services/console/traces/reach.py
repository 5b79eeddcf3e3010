"""How far back traces can be searched: as long as they are retained, within Jaeger's limit for searches."""

from __future__ import annotations

from django.conf import settings

# max_span_age in observability/jaeger/config.yaml.
JAEGER_SEARCH_DAYS = 7


def searched_seconds() -> float:
    """Return the age of the oldest trace that a search can find, in seconds."""
    return min(settings.TRACES_RETENTION_DAYS, JAEGER_SEARCH_DAYS) * 86400.0


def search_limit() -> str:
    """Return the reason for that limit, as text for users."""
    kept: int = settings.TRACES_RETENTION_DAYS
    return (
        f"Traces are kept {days(kept)}"
        if kept <= JAEGER_SEARCH_DAYS
        else f"Jaeger searches {days(JAEGER_SEARCH_DAYS)} back"
    )


def days(number: int) -> str:
    """Format days: `1 day`, `3 days`."""
    return f"{number} day" if number == 1 else f"{number} days"
