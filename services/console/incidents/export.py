"""An incident as Markdown: the starting point of its post-mortem."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urljoin

from backends.errors import BackendDown
from contracts import text
from django.utils import timezone
from django_telemetry.deadlines import Deadline, use_deadline
from shell import links
from shell.templatetags.shell import duration, percent

from incidents.evidence import cause, changes, errors, journeys, logs, traces
from incidents.evidence.scene import Scene
from incidents.models import Alert, Entry, Incident

# For all backends together.
_SECONDS = 20.0


def document(incident: Incident, address: str) -> str:
    """Return the Markdown. `address` is the URL of the incident. An unavailable backend is noted in its section."""
    scene = Scene.of(incident)
    with use_deadline(Deadline.after(_SECONDS)):
        parts = [
            *_head(incident, scene, address),
            *_episodes(scene),
            *_cause(scene),
            *_alerts(scene),
            *_evidence("Journeys and error budget", lambda: _journeys(scene)),
            *_evidence("Deploys and restarts", lambda: _starts(scene)),
            *_evidence("Drills and load runs", lambda: _marks(scene)),
            *_evidence("Example traces", lambda: _traces(scene, address)),
            *_evidence("Log patterns that were new or grew", lambda: _logs(scene)),
            *_evidence("Errors", lambda: _errors(scene, address)),
            *_timeline(incident),
            *_to_be_written(),
        ]
    # A terminal would obey control characters, and show bidirectional text out of order.
    return text.printable("\n".join(parts) + "\n", lines=True)


def escape(external: str) -> str:
    """Escape external text for a line of Markdown: no markup, no line breaks, safe in a table's cell."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(external.split()))


def code(external: str) -> str:
    """Format external text as code within a line."""
    flat = " ".join(external.split()).replace("|", "¦")
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {flat} {fence}" if longest else f"`{flat}`"


def _head(incident: Incident, scene: Scene, address: str) -> Iterable[str]:
    yield f"# Incident #{incident.number}: {escape(incident.title)}"
    yield ""
    yield f"- Page: <{address}>"
    yield f"- Status: {incident.get_status_display()}"
    yield f"- Severity: {incident.severity}"
    yield f"- Team: {escape(incident.team) or '–'}"
    yield f"- Cause: {escape(scene.root)}"
    yield f"- Began: {_time(incident.started_at)}"
    yield f"- Opened: {_time(incident.opened_at)}"
    if incident.acknowledged_at is not None:
        by = incident.acknowledged_by.get_username() if incident.acknowledged_by else "?"
        yield f"- Acknowledged: {_time(incident.acknowledged_at)} by {escape(by)}"
    if incident.ended_at is not None:
        yield f"- Over: {_time(incident.ended_at)}"
    yield f"- Lasted: {duration(incident.duration().total_seconds())}{'' if incident.ended_at else ' so far'}"
    yield f"- Written: {_time(timezone.now())}"
    yield ""


def _episodes(scene: Scene) -> Iterable[str]:
    """The episodes, if there are several: the evidence below is that of the newest."""
    if len(scene.episodes) < 2:
        return
    yield "## Episodes"
    yield ""
    yield "| episode | fault | from | to | lasted |"
    yield "| --- | --- | --- | --- | --- |"
    for number, episode in enumerate(scene.episodes, 1):
        ended = _time(episode.ended_at) if episode.ended_at else "still on"
        lasted = duration(episode.duration().total_seconds())
        yield f"| {number} | {escape(episode.title)} | {_time(episode.started_at)} | {ended} | {lasted} |"
    yield ""
    yield "Cause, alerts and evidence below are those of the newest episode."
    yield ""


def _cause(scene: Scene) -> Iterable[str]:
    found = cause.find(scene)
    yield "## Cause, as the alerts have it"
    yield ""
    yield f"{escape(found.title)} ({escape(found.name)})"
    yield ""
    for reason in found.reasons:
        yield f"- {escape(reason)}"
    for way in found.ways:
        names = [way.journey.service, *(step.hop.cause for step in way.steps)]
        yield f"- {escape(way.journey.title)}: {' → '.join(escape(name) for name in names)}"
    yield ""


def _alerts(scene: Scene) -> Iterable[str]:
    own = [alert for alert in scene.alerts if not alert.is_muted]
    muted = [alert for alert in scene.alerts if alert.is_muted]
    yield "## Alerts"
    yield ""
    yield from _alert_table(own)
    if muted:
        yield ""
        yield "Muted by inhibition:"
        yield ""
        yield from _alert_table(muted)
    yield ""


def _alert_table(alerts: Iterable[Alert]) -> Iterable[str]:
    yield "| alert | where | severity | from | to | said |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for alert in alerts:
        ended = _time(alert.ends_at) if alert.ends_at else "fires"
        cells = (escape(alert.name), escape(alert.where), escape(alert.severity), _time(alert.starts_at), ended)
        yield f"| {' | '.join(cells)} | {escape(alert.description)} |"


def _evidence(title: str, lines: Callable[[], Iterable[str]]) -> Iterable[str]:
    yield f"## {title}"
    yield ""
    try:
        found = list(lines())
    except BackendDown as error:
        found = [f"Not known: {escape(str(error))}"]
    yield from found or ["None."]
    yield ""


def _journeys(scene: Scene) -> Iterable[str]:
    losses = journeys.losses(scene)
    if losses:
        yield "| journey | objective | bad | of | share | budget lost | left over 3 days |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
    for loss in losses:
        cells = (
            escape(loss.journey.title),
            f"{loss.slo.kind} {percent(loss.slo.objective)}",
            "–" if loss.bad is None else f"{loss.bad:.0f}",
            "–" if loss.events is None else f"{loss.events:.0f}",
            percent(loss.bad_ratio),
            percent(loss.lost),
            loss.left_words,
        )
        yield f"| {' | '.join(cells)} |"


def _starts(scene: Scene) -> Iterable[str]:
    for start in changes.starts(scene):
        what = "deployed" if start.is_deploy else "started"
        yield f"- {_epoch(start.at)} {escape(start.process)} {what}, version {escape(start.version)}"


def _marks(scene: Scene) -> Iterable[str]:
    for mark in changes.marks(scene):
        yield f"- {_epoch(mark.at)} {escape(mark.kind)} {escape(mark.action)}: {escape(mark.message)}"


def _traces(scene: Scene, address: str) -> Iterable[str]:
    for example in traces.examples(scene):
        span = example.failing
        trace = example.trace
        url = urljoin(address, links.trace(trace.trace_id, span.span_id))
        what = f"failed at {span.service}, {span.operation}: {example.failure}" if example.failure else "was slow"
        took = f"{escape(trace.root.operation)} took {duration(trace.duration)}"
        yield f"- [{trace.trace_id}]({url}): {took}, {escape(what)}"


def _logs(scene: Scene) -> Iterable[str]:
    comparison = logs.compare(scene)
    if comparison.patterns:
        before, after = duration(comparison.before_seconds), duration(comparison.after_seconds)
        yield f"| service | level | pattern | {before} before | {after} after |"
        yield "| --- | --- | --- | --- | --- |"
    for found in comparison.patterns:
        cells = (escape(found.service), escape(found.level), code(found.template), str(found.before), str(found.after))
        yield f"| {' | '.join(cells)} |"


def _errors(scene: Scene, address: str) -> Iterable[str]:
    for group in errors.find(scene).groups:
        latest = group.latest
        url = urljoin(address, links.trace(latest.trace_id)) if latest.trace_id else ""
        trace = f" ([trace]({url}))" if url else ""
        new = "new, " if group.is_new else f"{group.before} before, "
        where = f" in {code(latest.culprit)}" if latest.culprit else ""
        yield f"- {escape(latest.service)}: {code(latest.title)}{where}: {new}{group.after} since{trace}"


def _timeline(incident: Incident) -> Iterable[str]:
    yield "## Timeline (UTC)"
    yield ""
    for entry in incident.timeline.all():
        yield f"- {_time(entry.at)} {_entry(entry)}"
    yield ""


def _entry(entry: Entry) -> str:
    by = f" ({escape(entry.actor_name)})" if entry.actor_name else ""
    return f"**{entry.get_kind_display()}**{by}: {escape(entry.text)}"


def _to_be_written() -> Iterable[str]:
    for title in ("Impact", "Root cause", "What went well", "What went badly", "What to change"):
        yield f"## {title}"
        yield ""


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _epoch(seconds: float) -> str:
    return _time(datetime.fromtimestamp(seconds, tz=timezone.get_default_timezone()))
