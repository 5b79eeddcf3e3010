"""Errors reported by Sentry's client, as stored by Spotlight: which are new since the fault began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backends import spotlight
from backends.spotlight import ErrorEvent
from catalogue import Catalogue

from incidents.evidence import patterns
from incidents.evidence.scene import Scene

MOST = 10
_SECONDS = 1800.0


@dataclass(frozen=True)
class Group:
    """Errors of one kind: same exception, same place, same text except for numbers."""

    service: str
    title: str
    culprit: str
    before: int
    after: int
    latest: ErrorEvent

    @property
    def is_new(self) -> bool:
        """Return whether it did not occur before the fault."""
        return self.before == 0


@dataclass(frozen=True)
class Errors:
    """The kinds of errors since the fault began, new ones first. `oldest` is the time of Spotlight's oldest event."""

    groups: tuple[Group, ...]
    more: int
    oldest: float | None


def find(scene: Scene) -> Errors:
    """Return the errors of the affected services. Raises BackendDown."""
    everything = spotlight.client().events()
    services = _services(scene.catalogue)
    until = max(scene.end, scene.start) + 60
    kinds: dict[tuple[str, str, str, str], list[ErrorEvent]] = {}
    for event in everything:
        service = services.get(event.process, event.process)
        if event.time > until or event.time < scene.onset - _SECONDS:
            continue
        if scene.services and service not in scene.services:
            continue
        kinds.setdefault((service, event.type, patterns.mask(event.value), event.culprit), []).append(event)
    groups = []
    for (service, kind, text, culprit), events in kinds.items():
        after = [event for event in events if event.time >= scene.onset]
        if after:
            title = f"{kind}: {text}" if kind and text else kind or text
            groups.append(Group(service, title, culprit, len(events) - len(after), len(after), after[-1]))
    groups.sort(key=lambda group: (not group.is_new, -group.after))
    oldest = everything[0].time if everything else None
    return Errors(tuple(groups[:MOST]), max(0, len(groups) - MOST), oldest)


def _services(catalogue: Catalogue) -> Mapping[str, str]:
    """Map processes to their services: events carry the process's name."""
    return {process.name: process.service for process in catalogue.processes()}
