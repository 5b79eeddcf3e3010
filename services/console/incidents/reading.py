"""Questions about incidents that several pages ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from incidents.models import Incident, Severity, Status


def with_counts(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Each with how many alerts fire, how many are muted, and how many there were (firing, muted, total)."""
    fires = Q(alerts__ends_at=None)
    return incidents.select_related("acknowledged_by", "resolved_by", "merged_into").annotate(
        firing=Count("alerts", filter=fires & Q(alerts__muted_by=[])),
        muted=Count("alerts", filter=fires & ~Q(alerts__muted_by=[])),
        total=Count("alerts"),
    )


@dataclass(frozen=True)
class Now:
    """What is wrong at the moment: open incidents, the worst first, and the last one that ended."""

    incidents: list[Incident]
    last: Incident | None
    at: datetime

    @property
    def state(self) -> str:
        """crit: needs an acknowledgement; warn: acknowledged, or can wait; ok: nothing is open."""
        if any(item.severity == Severity.PAGE and item.status == Status.OPEN for item in self.incidents):
            return "crit"
        return "warn" if self.incidents else "ok"

    @property
    def pages(self) -> int:
        """Open incidents that paged."""
        return sum(item.severity == Severity.PAGE for item in self.incidents)

    @property
    def tickets(self) -> int:
        """Open incidents that can wait."""
        return len(self.incidents) - self.pages

    @property
    def firing(self) -> int:
        """Alerts that fire in them."""
        return sum(item.firing for item in self.incidents)  # type: ignore[attr-defined]

    @property
    def muted(self) -> int:
        """Alerts that inhibition mutes in them."""
        return sum(item.muted for item in self.incidents)  # type: ignore[attr-defined]


def now() -> Now:
    """What is wrong at the moment, from the console's own records."""
    is_open = with_counts(Incident.objects.exclude(status=Status.RESOLVED))
    # Acknowledged pages follow unacknowledged ones, and precede tickets.
    ordered = sorted(
        is_open,
        key=lambda item: (Severity(item.severity).rank, item.status != Status.OPEN, -item.started_at.timestamp()),
    )
    return Now(ordered, history().first(), timezone.now())


def history() -> QuerySet[Incident]:
    """Incidents that are over, the newest first; merged ones are part of others."""
    return with_counts(Incident.objects.filter(status=Status.RESOLVED, merged_into=None)).order_by(
        "-ended_at", "-number"
    )


def before(incident: Incident, limit: int = 5) -> list[Incident]:
    """Earlier incidents with the same cause, the newest first."""
    earlier = Incident.objects.filter(cause=incident.cause, number__lt=incident.number, merged_into=None)
    return list(earlier.order_by("-number")[:limit])
