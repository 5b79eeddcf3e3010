"""Actions of responders on an incident. Each adds a timeline entry with the responder's name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from backends import alertmanager
from backends.alertmanager import Matcher
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from incidents.ingest import TELEMETRY, write
from incidents.models import Alert, Incident, Kind, Silence, Status

# The labels that identify an alert; the others describe it.
_IDENTITY = ("alertname", "root_service", "service", "dependency", "journey", "slo", "queue", "process")


class NotPossible(Exception):
    """The incident's state doesn't allow the action. The message is shown to users."""


def acknowledge(uid: uuid.UUID, user: User) -> Incident:
    """Acknowledge the incident; takes over from an earlier acknowledgement."""
    with _locked(uid) as incident:
        if not incident.is_open:
            raise NotPossible("The incident is resolved already.")
        if incident.acknowledged_by == user:
            return incident
        before = incident.acknowledged_by
        incident.status = Status.ACKNOWLEDGED
        incident.acknowledged_at, incident.acknowledged_by = timezone.now(), user
        incident.save()
        text = f"Taken over from {before.get_username()}." if before else "Acknowledged."
        write(incident, Kind.ACKNOWLEDGED, incident.acknowledged_at, text, user)
        return incident


def add_note(uid: uuid.UUID, user: User, text: str) -> Incident:
    """Add a note, at any time, including after the end."""
    with _locked(uid) as incident:
        write(incident, Kind.NOTE, timezone.now(), text, user)
        return incident


def resolve(uid: uuid.UUID, user: User, comment: str) -> Incident:
    """Resolve it. NotPossible if it is resolved already, or if alerts still fire and no comment gives the reason."""
    with _locked(uid) as incident:
        if not incident.is_open:
            raise NotPossible("The incident is resolved already.")
        own = [alert for alert in incident.alerts.all() if not alert.is_muted]
        firing = [alert for alert in own if alert.is_firing]
        if firing and not comment:
            names = ", ".join(sorted({alert.name for alert in firing}))
            raise NotPossible(f"Alerts still fire ({names}): say why it is over nevertheless.")
        now = timezone.now()
        ends = [alert.ends_at for alert in own if alert.ends_at is not None]
        incident.status, incident.resolved_at, incident.resolved_by = Status.RESOLVED, now, user
        incident.ended_at = max(ends) if ends and not firing else now
        incident.save()
        incident.episodes.filter(ended_at=None).update(ended_at=incident.ended_at)
        write(incident, Kind.RESOLVED, now, comment or "Resolved.", user)
        return incident


def reopen(uid: uuid.UUID, user: User) -> Incident:
    """Undo the resolution. NotPossible while the same cause has another open incident, and for merged ones."""
    with _locked(uid) as incident:
        if incident.is_open:
            raise NotPossible("The incident is open already.")
        if incident.merged_into is not None:
            raise NotPossible("The incident was merged into another one.")
        if Incident.objects.filter(cause=incident.cause).exclude(status=Status.RESOLVED).exists():
            raise NotPossible("The same cause has a newer open incident.")
        incident.status = Status.OPEN
        incident.resolved_at = incident.ended_at = incident.resolved_by = None
        incident.acknowledged_at = incident.acknowledged_by = None
        incident.save()
        last = incident.episodes.latest("id")
        last.ended_at = None
        last.save(update_fields=["ended_at"])
        write(incident, Kind.REOPENED, timezone.now(), "Reopened.", user)
        return incident


def silence(uid: uuid.UUID, user: User, matchers: tuple[Matcher, ...], ends_at: datetime, reason: str) -> Silence:
    """Silence alerts through Alertmanager until `ends_at`. Raises BackendDown, and then nothing has changed."""
    incident = Incident.objects.get(uid=uid)
    now = timezone.now()
    comment = f"{reason} (incident #{incident.number})"
    silence_id = alertmanager.client().silence(matchers, now, ends_at, user.get_username(), comment)
    with _locked(uid) as locked:
        made = Silence.objects.create(
            id=silence_id,
            incident=locked,
            matchers=[str(matcher) for matcher in matchers],
            reason=reason,
            starts_at=now,
            ends_at=ends_at,
            created_by=user,
        )
        what = ", ".join(made.matchers)
        write(locked, Kind.SILENCED, now, f"Silenced {what} until {ends_at:%Y-%m-%d %H:%M} UTC: {reason}", user)
    return made


def end_silence(uid: uuid.UUID, silence_id: str, user: User) -> None:
    """End one of the incident's silences now. Raises Silence.DoesNotExist, NotPossible or BackendDown."""
    made = Silence.objects.get(incident__uid=uid, pk=silence_id)
    if not made.is_active():
        raise NotPossible("The silence has ended already.")
    alertmanager.client().expire(made.id)
    with _locked(uid) as incident:
        now = timezone.now()
        Silence.objects.filter(pk=made.pk).update(ends_at=now)
        write(incident, Kind.UNSILENCED, now, f"Ended the silence of {', '.join(made.matchers)}.", user)


def matchers_of_cause(incident: Incident) -> tuple[Matcher, ...]:
    """Return the matchers for every alert with this cause; empty when its alerts lack the label for it."""
    alerts = incident.alerts.all()
    if any(alert.labels.get("root_service") != incident.root_service for alert in alerts if not alert.is_muted):
        return ()
    of_telemetry = incident.cause.startswith(f"{TELEMETRY}/")
    return (
        Matcher("root_service", incident.root_service),
        Matcher("layer", TELEMETRY, is_equal=of_telemetry),
    )


def matchers_of_alert(alert: Alert) -> tuple[Matcher, ...]:
    """Return the matchers for this one alert."""
    return tuple(Matcher(name, str(alert.labels[name])) for name in _IDENTITY if alert.labels.get(name))


@contextmanager
def _locked(uid: uuid.UUID) -> Iterator[Incident]:
    """Return the incident, locked against concurrent changes."""
    with transaction.atomic():
        yield Incident.objects.select_for_update().get(uid=uid)
