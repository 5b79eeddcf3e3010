"""The probable cause and why: the rules that name it, and the paths by which it affects others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from catalogue import Journey, graph

from incidents.evidence.scene import Scene
from incidents.models import Alert


@dataclass(frozen=True)
class Rule:
    """A rule that named the cause, and its location."""

    name: str
    layer: str
    places: tuple[str, ...]
    since: datetime
    until: datetime | None
    summary: str
    description: str
    expression: str


@dataclass(frozen=True)
class Step:
    """One hop of a path, with the alerts raised about it."""

    hop: graph.Hop
    alerts: tuple[Alert, ...]


@dataclass(frozen=True)
class Way:
    """How a journey is affected: the path from the service where it begins to the cause."""

    journey: Journey
    steps: tuple[Step, ...]
    # Alerts about the journey itself.
    alerts: tuple[Alert, ...]


@dataclass(frozen=True)
class Cause:
    """The probable cause. `reasons` are sentences."""

    name: str
    title: str
    description: str
    owner: str
    known: bool
    rules: tuple[Rule, ...]
    reasons: tuple[str, ...]
    ways: tuple[Way, ...]


def find(scene: Scene) -> Cause:
    """Derive the cause from the alerts and the catalogue. Queries no backend."""
    name = scene.root
    service = scene.catalogue.services.get(name)
    external = scene.catalogue.external.get(name)
    entry = service or external
    own = [alert for alert in scene.alerts if not alert.is_muted]
    return Cause(
        name=name,
        title=entry.title if entry else name,
        description=entry.description if entry else "",
        owner=service.owner if service else scene.incident.team,
        known=entry is not None,
        rules=tuple(_rules(own)),
        reasons=tuple(_reasons(scene, own)),
        ways=tuple(_ways(scene)),
    )


def _rules(alerts: Iterable[Alert]) -> Iterable[Rule]:
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_name.setdefault(alert.name, []).append(alert)
    for name, firings in by_name.items():
        ends = [alert.ends_at for alert in firings if alert.ends_at is not None]
        newest = max(firings, key=lambda alert: alert.starts_at)
        yield Rule(
            name=name,
            layer=newest.layer,
            places=tuple(dict.fromkeys(alert.where for alert in firings if alert.where)),
            since=min(alert.starts_at for alert in firings),
            until=max(ends) if len(ends) == len(firings) else None,
            summary=newest.summary,
            description=newest.description,
            expression=_expression(newest.generator_url),
        )


def _expression(generator_url: str) -> str:
    """Return the rule's expression, which Prometheus puts into the URL of its page; empty if missing."""
    try:
        return parse_qs(urlsplit(generator_url).query).get("g0.expr", [""])[0]
    except ValueError:
        return ""


def _reasons(scene: Scene, own: list[Alert]) -> Iterable[str]:
    root = scene.root
    direct = sorted({alert.name for alert in own if alert.service == root and alert.layer != "symptom"})
    if direct:
        yield f"{_listed(direct)} {'say' if len(direct) > 1 else 'says'} so of {root} itself."
    for service in dict.fromkeys(alert.service for alert in own if alert.dependency == root and not _is_edge(alert)):
        about = sorted({alert.name for alert in own if (alert.service, alert.dependency) == (service, root)})
        yield f"{_listed(about)} {'say' if len(about) > 1 else 'says'} so of what {service} does with {root}."
    yield from _callers(scene, own)
    if own and all(alert.layer == "symptom" for alert in own):
        yield (
            "Only symptoms fire: no rule explains them. The cause is one that no rule knows, "
            "or it is below the rules' limits."
        )
    muted = [alert for alert in scene.alerts if alert.is_muted]
    if muted:
        which = _listed(sorted({alert.name for alert in muted}))
        yield f"{which} {'is' if len(muted) == 1 else 'are'} muted: {root}'s alerts explain {_them(len(muted))}."
    if scene.affected:
        yield f"{_listed(list(scene.affected))} {'depends' if len(scene.affected) == 1 else 'depend'} on {root}."


def _callers(scene: Scene, own: list[Alert]) -> Iterable[str]:
    """Explain what a failure seen by several callers, or by only one of several, indicates."""
    root = scene.root
    callers = [edge.caller for edge in scene.catalogue.edges() if edge.callee == root]
    complaining = {alert.service for alert in scene.alerts if alert.dependency == root and _is_edge(alert)}
    seen_by = [name for name in dict.fromkeys(callers) if name in complaining]
    quiet = [name for name in dict.fromkeys(callers) if name not in complaining]
    about_itself = any(alert.service == root for alert in own)
    if len(seen_by) > 1:
        yield f"{_listed(seen_by)} all see their calls to {root} fail, so it is {root} rather than one connection."
    elif len(seen_by) == 1 and quiet and not about_itself:
        yield (
            f"Only {seen_by[0]} sees its calls to {root} fail; {_listed(quiet)} "
            f"{'calls' if len(quiet) == 1 else 'call'} it without an alert. It may be the connection between the two."
        )
    elif len(seen_by) == 1 and not about_itself:
        yield f"{seen_by[0]}, its only caller, sees its calls to {root} fail, and no alert is about {root} itself."
    elif len(seen_by) == 1:
        yield f"{seen_by[0]} sees its calls to {root} fail."


def _ways(scene: Scene) -> Iterable[Way]:
    for journey in scene.journeys:
        steps = graph.path(scene.catalogue, journey.service, scene.root)
        about = [alert for alert in scene.alerts if alert.labels.get("journey") == journey.name]
        if steps is None and not about:
            continue
        yield Way(journey, tuple(Step(hop, _about(scene, hop)) for hop in steps or ()), tuple(about))


def _about(scene: Scene, hop: graph.Hop) -> tuple[Alert, ...]:
    return tuple(alert for alert in scene.alerts if alert.service == hop.affected and alert.dependency == hop.cause)


def _is_edge(alert: Alert) -> bool:
    """Return whether an alert evaluates the calls to a dependency, as measured by the caller."""
    return alert.name.startswith("Edge")


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
