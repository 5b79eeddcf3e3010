"""Queries about incidents shared by several pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from incidents.models import Incident, Severity, Status


def with_counts(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Annotate each with its numbers of firing, muted and all alerts (firing, muted, total)."""
    fires = Q(alerts__ends_at=None)
    related = incidents.select_related("acknowledged_by", "resolved_by", "merged_into").prefetch_related("episodes")
    return related.annotate(
        firing=Count("alerts", filter=fires & Q(alerts__muted_by=[])),
        muted=Count("alerts", filter=fires & ~Q(alerts__muted_by=[])),
        total=Count("alerts"),
    )


@dataclass(frozen=True)
class Now:
    """The current state: open incidents, the worst first, and the last one that ended."""

    incidents: list[Incident]
    last: Incident | None
    at: datetime

    @property
    def state(self) -> str:
        """Return crit: needs an acknowledgement; warn: acknowledged, or not urgent; ok: none is open."""
        if any(item.severity == Severity.PAGE and item.status == Status.OPEN for item in self.incidents):
            return "crit"
        return "warn" if self.incidents else "ok"

    @property
    def pages(self) -> int:
        """Return open incidents that paged."""
        return sum(item.severity == Severity.PAGE for item in self.incidents)

    @property
    def tickets(self) -> int:
        """Return open incidents that are tickets."""
        return len(self.incidents) - self.pages

    @property
    def firing(self) -> int:
        """Return the number of their firing alerts."""
        return sum(item.firing for item in self.incidents)  # type: ignore[attr-defined]

    @property
    def muted(self) -> int:
        """Return the number of their muted alerts."""
        return sum(item.muted for item in self.incidents)  # type: ignore[attr-defined]


def now() -> Now:
    """Return the current state, from the console's own records."""
    is_open = with_counts(Incident.objects.exclude(status=Status.RESOLVED))
    # Acknowledged pages follow unacknowledged ones, and precede tickets.
    ordered = sorted(
        is_open,
        key=lambda item: (Severity(item.severity).rank, item.status != Status.OPEN, -item.started_at.timestamp()),
    )
    return Now(ordered, history().first(), timezone.now())


def history() -> QuerySet[Incident]:
    """Return ended incidents, newest first; merged ones are part of others."""
    return with_counts(Incident.objects.filter(status=Status.RESOLVED, merged_into=None)).order_by(
        "-ended_at", "-number"
    )


def before(incident: Incident, limit: int = 5) -> list[Incident]:
    """Return earlier incidents with the same cause, newest first."""
    earlier = Incident.objects.filter(cause=incident.cause, number__lt=incident.number, merged_into=None)
    return list(earlier.prefetch_related("episodes").order_by("-number")[:limit])
