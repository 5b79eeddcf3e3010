"""Processes alerts: which incident an alert belongs to, and when one is opened, reopened, merged and resolved.

`take_in` processes a notification; `reconcile` applies what only Alertmanager's API has.

The rules, in order:

1. One cause has one incident at a time. The cause is the alert's root service; for alerts about the telemetry itself
   it is telemetry/<root service>, because a broken pipeline is another fault than a broken service.
2. One firing of one alert (fingerprint and start) is stored once, however often it is delivered.
3. A firing alert is added to the cause's open incident. If there is none, an incident with the same fault resolved
   less than REOPEN_WITHIN ago is reopened, without its acknowledgement, and gets a new episode. The fault is the same
   if an alert with the same name about the same place was part of it. Otherwise a new one is opened.
   A page that fires at least CALM after the open episode's last page ended begins a new episode, too: slower alerts
   may have kept the incident open.
4. A repeated alert that was firing when a user resolved its incident doesn't reopen it; if it is still repeated after
   REOPEN_WITHIN, it opens a new one.
5. An alert that ended stays ended when "firing" is delivered once more within LATE_DELIVERY (a delayed repetition);
   after that it counts as firing.
6. An incident is resolved when its last alert has ended. Only Alertmanager's API reports the end of a muted one, or
   that it is no longer muted.
7. An alert muted by inhibition belongs to the incident of the alert that mutes it, listed below the others. An
   incident whose alerts are all muted by those of another one is merged into that one. An alert that is no longer
   muted but still fires stays where it is, and keeps that incident open.
8. Alerts that Alertmanager no longer lists have ended after MISSING_FOR, even without a resolved notification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from backends import alertmanager
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from incidents import metrics
from incidents.models import MAX_NAME, Alert, Entry, Episode, Incident, Kind, Severity, Status
from incidents.webhook import Notice, to_milliseconds

REOPEN_WITHIN = timedelta(minutes=30)
LATE_DELIVERY = timedelta(minutes=2)
MISSING_FOR = timedelta(minutes=5)
CALM = timedelta(minutes=5)
TELEMETRY = "telemetry"
# One writer at a time: notifications are few, and two concurrent ones could see each other's partial changes.
_LOCK = 0x696E6369
_MAX_TITLE = 500
# Which alert gives an incident its title: of the worst severity, the layer closest to the cause.
_LAYERS = ("cause", TELEMETRY, "symptom")


def take_in(notices: Sequence[Notice], now: datetime | None = None) -> list[Incident]:
    """Process a notification: all of it, or nothing. Returns the incidents that changed."""
    now = now or timezone.now()
    with _exclusively():
        touched = {incident.number for notice in notices for incident in _take_in(notice, now)}
        return [_settle(number, now) for number in sorted(touched)]


def reconcile(known: Sequence[alertmanager.Alert], now: datetime | None = None) -> list[Incident]:
    """Apply Alertmanager's current alerts: what is muted, and what ended without a notification.

    All of it, or nothing. Returns the incidents that changed.
    """
    now = now or timezone.now()
    with _exclusively():
        touched = _mute(known, now) | _vanish(known, now)
        return [_settle(number, now) for number in sorted(touched)]


def cause_of(labels: Mapping[str, str]) -> str:
    """Return the key that alerts are grouped by."""
    root = root_of(labels)
    return (f"{TELEMETRY}/{root}" if labels.get("layer") == TELEMETRY else root)[:MAX_NAME]


def root_of(labels: Mapping[str, str]) -> str:
    """Return the service that is the cause: set by the rule, otherwise derived from the alert's other labels."""
    names = ("root_service", "service", "dependency", "alertname")
    return next((value for name in names if (value := labels.get(name))), "unknown")[:MAX_NAME]


def write(incident: Incident, kind: Kind, at: datetime, text: str, actor: User | None = None) -> Entry:
    """Add a line to an incident's timeline. `actor` is the user who did it, None for Alertmanager."""
    name = actor.get_username() if actor is not None else ""
    return Entry.objects.create(incident=incident, kind=kind, at=at, text=text, actor=actor, actor_name=name)


@contextmanager
def _exclusively() -> Iterator[None]:
    """A transaction that no other notification overlaps."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield


def _take_in(notice: Notice, now: datetime) -> list[Incident]:
    row = _row(notice.fingerprint, notice.starts_at)
    if not notice.firing:
        return _end(row, notice, now)
    if row is None:
        return _first(notice, now)
    return _again(row, notice, now)


def _row(fingerprint: str, starts_at: datetime) -> Alert | None:
    """Return the newest record of one firing."""
    found = Alert.objects.select_related("incident", "episode__incident").filter(
        fingerprint=fingerprint, starts_at=starts_at
    )
    return found.order_by("-id").first()


def _first(notice: Notice, now: datetime) -> list[Incident]:
    """Store a new alert."""
    episode = _episode_for(notice, now)
    alert = _create(episode, notice)
    write(episode.incident, Kind.FIRED, notice.starts_at, _line(alert, "fires"))
    return [episode.incident]


def _again(row: Alert, notice: Notice, now: datetime) -> list[Incident]:
    """A known firing alert is delivered again: usually no change, see rules 2, 4, 5 and 7."""
    incident = row.incident
    refired = row.ends_at is not None
    if row.ended_seen_at is not None and now - row.ended_seen_at < LATE_DELIVERY:
        return []
    # The description has the newest value.
    row.annotations = dict(notice.annotations)
    row.missing_since = row.ends_at = row.ended_seen_at = None
    was_muted, row.muted_by = row.is_muted, []
    row.save()
    if refired:
        write(incident, Kind.FIRED, now, _line(row, "fires again"))
    elif was_muted:
        write(incident, Kind.FIRED, now, _line(row, "is no longer muted"))
    if incident.is_open:
        return [incident]
    soon = incident.resolved_at is not None and now - incident.resolved_at < REOPEN_WITHIN
    if soon and incident.resolved_by is not None and not refired:
        return []
    # _episode_for finds this incident again, if it is to be reopened.
    home = _episode_for(notice, now)
    if home.incident.number != incident.number:
        return _first_in(home, row, now)
    return [home.incident]


def _first_in(home: Episode, row: Alert, now: datetime) -> list[Incident]:
    """Store the same firing in a new incident: the old one keeps its record of it."""
    alert = _create(home, row)
    write(home.incident, Kind.FIRED, now, _line(alert, "still fires"))
    row.ends_at = row.ended_seen_at = row.incident.resolved_at
    row.save(update_fields=["ends_at", "ended_seen_at"])
    return [home.incident]


def _end(row: Alert | None, notice: Notice, now: datetime) -> list[Incident]:
    """Resolve an alert. One that was never recorded is ignored."""
    if row is None or row.ends_at is not None:
        return []
    row.ends_at, row.ended_seen_at, row.missing_since = notice.ends_at, now, None
    row.save(update_fields=["ends_at", "ended_seen_at", "missing_since"])
    write(row.incident, Kind.ENDED, row.ends_at or now, _line(row, "is over"))
    return [row.incident]


def _episode_for(notice: Notice, now: datetime) -> Episode:
    """Return the episode of a firing alert, see rule 3; its incident is reopened, or a new one, if none is open."""
    cause = cause_of(notice.labels)
    of_cause = Incident.objects.filter(cause=cause)
    if (current := of_cause.exclude(status=Status.RESOLVED).first()) is not None:
        return _running(current, notice, now)
    recent = of_cause.filter(resolved_at__gt=now - REOPEN_WITHIN, merged_into=None).order_by("-resolved_at")
    same = next((incident for incident in recent if _is_same_fault(incident, notice)), None)
    if same is not None:
        return _reopen(same, notice, now)
    severity = _severity(notice.labels.get("severity", ""))
    incident = Incident.objects.create(
        cause=cause,
        root_service=root_of(notice.labels),
        title=notice.labels["alertname"],
        severity=severity,
        started_at=notice.starts_at,
        opened_at=now,
    )
    metrics.incidents_opened_total.labels(severity.value).inc()
    write(incident, Kind.OPENED, now, f"Opened by alert {notice.labels['alertname']}.")
    return _begin(incident, notice)


def _is_same_fault(incident: Incident, notice: Notice) -> bool:
    """Return whether the incident had an unmuted alert with the same name about the same place."""
    labels = _storable(notice.labels)
    place = {name: labels.get(name, "")[:MAX_NAME] for name in ("service", "dependency")}
    return incident.alerts.filter(name=labels["alertname"][:MAX_NAME], muted_by=[], **place).exists()


def _running(incident: Incident, notice: Notice, now: datetime) -> Episode:
    """Return the episode of an open incident that a firing alert belongs to; a new one after a calm period."""
    episode = _last_episode(incident)
    if notice.labels.get("severity") != Severity.PAGE:
        return episode
    ends = list(episode.alerts.filter(severity=Severity.PAGE, muted_by=[]).values_list("ends_at", flat=True))
    over = [end for end in ends if end is not None]
    if not over or len(over) < len(ends) or notice.starts_at - max(over) < CALM:
        return episode
    episode.ended_at = max(over)
    episode.save(update_fields=["ended_at"])
    _open(incident)
    write(incident, Kind.REOPENED, now, "It pages again, after a calm period.")
    return _begin(incident, notice)


def _reopen(incident: Incident, notice: Notice, now: datetime) -> Episode:
    """Open the incident again. The same firing continues the last episode: it never ended."""
    _open(incident)
    last = _last_episode(incident)
    if last.alerts.filter(fingerprint=notice.fingerprint, starts_at=notice.starts_at).exists():
        write(incident, Kind.REOPENED, now, "The same alert still fires.")
        last.ended_at = None
        last.save(update_fields=["ended_at"])
        return last
    write(incident, Kind.REOPENED, now, "The same fault occurs again.")
    return _begin(incident, notice)


def _open(incident: Incident) -> None:
    incident.status = Status.OPEN
    incident.resolved_at = incident.ended_at = incident.resolved_by = None
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.save()


def _begin(incident: Incident, notice: Notice) -> Episode:
    return Episode.objects.create(incident=incident, title=notice.labels["alertname"], started_at=notice.starts_at)


def _last_episode(incident: Incident) -> Episode:
    """Return the newest episode. Every incident has one."""
    return incident.episodes.select_related("incident").latest("id")


def _create(episode: Episode, reported: Notice | Alert | alertmanager.Alert) -> Alert:
    """Store a firing from a notification, an earlier record or Alertmanager's API."""
    labels = _storable(reported.labels)
    return Alert.objects.create(
        incident=episode.incident,
        episode=episode,
        fingerprint=reported.fingerprint,
        starts_at=to_milliseconds(reported.starts_at),
        name=labels.get("alertname", "unnamed")[:MAX_NAME],
        severity=labels.get("severity", "")[:MAX_NAME],
        layer=labels.get("layer", "")[:MAX_NAME],
        service=labels.get("service", "")[:MAX_NAME],
        dependency=labels.get("dependency", "")[:MAX_NAME],
        labels=labels,
        annotations=_storable(reported.annotations),
        generator_url=reported.generator_url,
    )


def _storable(texts: Mapping[str, str]) -> dict[str, str]:
    """Replace NUL, which Alertmanager accepts in a text and PostgreSQL doesn't."""
    return {name.replace("\0", "�"): value.replace("\0", "�") for name, value in texts.items()}


def _mute(known: Sequence[alertmanager.Alert], now: datetime) -> set[int]:
    """Move muted alerts below the alerts that mute them. Returns the numbers of the changed incidents."""
    by_fingerprint = {alert.fingerprint: alert for alert in known}
    touched: set[int] = set()
    for alert in known:
        starts_at = to_milliseconds(alert.starts_at)
        row = _row(alert.fingerprint, starts_at)
        if not alert.muted:
            touched |= _unmute(row, now)
            continue
        episode = _muting_episode(alert, by_fingerprint)
        if episode is None:
            continue
        home = episode.incident
        if row is None or (row.incident != home and not row.incident.is_open):
            row = _create(episode, alert)
        elif row.is_muted and row.is_firing and row.incident == home:
            continue
        left = row.incident
        row.incident, row.episode, row.muted_by = home, episode, list(alert.inhibited_by)
        row.ends_at = row.ended_seen_at = row.missing_since = None
        row.save()
        write(home, Kind.MUTED, max(starts_at, episode.started_at), _line(row, "fires, muted by inhibition"))
        touched.add(home.number)
        if left.number != home.number:
            _merge_if_explained(left, episode, now)
            touched.add(left.number)
    return touched


def _unmute(row: Alert | None, now: datetime) -> set[int]:
    if row is None or not row.is_firing:
        return set()
    changed = row.is_muted or row.missing_since is not None
    if not changed:
        return set()
    if row.is_muted:
        write(row.incident, Kind.FIRED, now, _line(row, "is no longer muted"))
    row.muted_by, row.missing_since = [], None
    row.save(update_fields=["muted_by", "missing_since"])
    return {row.incident.number} if row.incident.is_open else set()


def _muting_episode(alert: alertmanager.Alert, by_fingerprint: Mapping[str, alertmanager.Alert]) -> Episode | None:
    """Return the episode, of an open incident, of the alert that mutes another, over any number of steps."""
    seen: set[str] = set()
    frontier = list(alert.inhibited_by)
    while frontier:
        fingerprint = frontier.pop(0)
        if fingerprint in seen:
            continue
        seen.add(fingerprint)
        source = by_fingerprint.get(fingerprint)
        if source is None:
            continue
        if source.muted:
            frontier += source.inhibited_by
            continue
        row = _row(fingerprint, to_milliseconds(source.starts_at))
        if row is not None and row.incident.is_open:
            return row.episode
    return None


def _merge_if_explained(left: Incident, explaining: Episode, now: datetime) -> None:
    """Merge an incident whose last unmuted alert is now muted by another incident's alert.

    One with earlier episodes only loses the current one: the earlier ones remain its own.
    """
    if not left.is_open or left.alerts.filter(ends_at=None, muted_by=[]).exists():
        return
    home, episode = explaining.incident, _last_episode(left)
    for alert in episode.alerts.all():
        if home.alerts.filter(fingerprint=alert.fingerprint, starts_at=alert.starts_at).exists():
            alert.delete()
        else:
            alert.incident, alert.episode = home, explaining
            alert.save(update_fields=["incident", "episode"])
    left.silences.update(incident=home)
    title = episode.title
    earlier = left.episodes.exclude(pk=episode.pk).last()
    left.status, left.resolved_at = Status.RESOLVED, now
    if earlier is None:
        left.merged_into, left.ended_at = home, now
        episode.ended_at = now
        episode.save(update_fields=["ended_at"])
        write(left, Kind.MERGED, now, f"Merged into #{home.number}, whose alerts explain these.")
    else:
        left.title, left.ended_at = earlier.title, earlier.ended_at
        episode.delete()
        write(left, Kind.MERGED, now, f"Its newest episode was merged into #{home.number}, whose alerts explain it.")
    left.save()
    write(home, Kind.MERGED, now, f"#{left.number} ({title}) was merged into this: it is explained by it.")


def _vanish(known: Sequence[alertmanager.Alert], now: datetime) -> set[int]:
    """End alerts that Alertmanager no longer lists. Returns the numbers of the changed incidents."""
    firing = {(alert.fingerprint, to_milliseconds(alert.starts_at)) for alert in known}
    touched: set[int] = set()
    for row in Alert.objects.select_related("incident").filter(ends_at=None):
        if (row.fingerprint, row.starts_at) in firing:
            continue
        # Alertmanager sends no resolved notification for muted alerts. For others one arrives unless it was lost.
        if not row.is_muted and row.missing_since is None:
            row.missing_since = now
        elif row.is_muted or (row.missing_since is not None and now - row.missing_since >= MISSING_FOR):
            row.ends_at, row.ended_seen_at = row.missing_since or now, now
            write(row.incident, Kind.ENDED, row.ends_at, _line(row, "is over: Alertmanager no longer has it"))
            touched.add(row.incident.number)
        row.save(update_fields=["missing_since", "ends_at", "ended_seen_at"])
    return touched


def _settle(number: int, now: datetime) -> Incident:
    """Update an incident and its current episode from their alerts; resolve it when all of them have ended."""
    incident = Incident.objects.get(number=number)
    alerts = list(incident.alerts.all())
    own = [alert for alert in alerts if not alert.is_muted]
    if not incident.is_open or not own:
        return incident
    episode = _last_episode(incident)
    if current := [alert for alert in own if alert.episode_id == episode.pk]:
        _describe(incident, episode, current)
    if not any(alert.is_firing for alert in alerts):
        ends = {alert.episode_id: alert.ends_at for alert in sorted(own, key=lambda alert: alert.ends_at or now)}
        incident.status, incident.resolved_at = Status.RESOLVED, now
        incident.ended_at = max(end for end in ends.values() if end is not None)
        episode.ended_at = max(ends.get(episode.pk) or now, episode.started_at)
        episode.save(update_fields=["ended_at"])
        write(incident, Kind.RESOLVED, now, "All its alerts are over.")
    incident.save()
    return incident


def _describe(incident: Incident, episode: Episode, alerts: Sequence[Alert]) -> None:
    """Set title, severity, team and start from the alerts of the current episode. Saves the episode only."""
    best = min(alerts, key=_importance)
    episode.title = (f"{best.summary}: {best.where}" if best.where else best.summary)[:_MAX_TITLE]
    starts_at = min(alert.starts_at for alert in alerts)
    earlier = incident.episodes.exclude(pk=episode.pk).last()
    # An alert that fires on from the episode before doesn't belong to the calm period.
    episode.started_at = max(starts_at, earlier.ended_at) if earlier and earlier.ended_at else starts_at
    episode.save(update_fields=["title", "started_at"])
    if earlier is None:
        incident.started_at = episode.started_at
    incident.title = episode.title
    incident.severity = min((_severity(alert.severity) for alert in alerts), key=lambda severity: severity.rank)
    incident.team = str(best.labels.get("team", ""))[:MAX_NAME]


def _importance(alert: Alert) -> tuple[int, int, datetime]:
    layer = _LAYERS.index(alert.layer) if alert.layer in _LAYERS else len(_LAYERS)
    return _severity(alert.severity).rank, layer, alert.starts_at


def _severity(text: str) -> Severity:
    """Return a severity as the rules name it; an unknown one must not page."""
    return Severity(text) if text in Severity.values else Severity.INFO


def _line(alert: Alert, what: str) -> str:
    where = f" ({alert.where})" if alert.where else ""
    said = f" {alert.description}" if alert.description and "over" not in what else ""
    return f"{alert.name}{where} {what}.{said}"


def unknown(known: Iterable[alertmanager.Alert], older_than: datetime) -> list[alertmanager.Alert]:
    """Return alerts that fire but were never delivered in time: the webhook is broken, or not configured."""
    stored = set(Alert.objects.filter(ends_at=None).values_list("fingerprint", flat=True))
    return [
        alert
        for alert in known
        if alert.state == "active"
        and alert.fingerprint not in stored
        and alert.starts_at < older_than
        and alert.labels.get("severity") in (Severity.PAGE, Severity.TICKET)
    ]
