"""What all evidence is about: the incident, its alerts, when it was, and which services have to do with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

from catalogue import Catalogue, Dependency, Journey, graph, load

from incidents.models import Alert, Incident

# A rule fires when it has been true for a while, over rates of a minute: the fault itself began about so much earlier.
ONSET_SECONDS = 120.0
# Evidence is sought around the start; what comes hours later is consequence.
BEFORE_SECONDS = 600.0
AFTER_SECONDS = 1200.0


@dataclass(frozen=True)
class Scene:
    """An incident with what is known of it. Times are seconds since the epoch; `now` is when this was made."""

    incident: Incident
    alerts: tuple[Alert, ...]
    catalogue: Catalogue
    now: float

    @classmethod
    def of(cls, incident: Incident, catalogue: Catalogue | None = None) -> Scene:
        """The scene of an incident, at the moment."""
        return cls(incident, tuple(incident.alerts.all()), catalogue or load(), time.time())

    @property
    def root(self) -> str:
        """The service, or what services call, that is the cause."""
        return self.incident.root_service

    @property
    def start(self) -> float:
        """When the first alert fired."""
        return self.incident.started_at.timestamp()

    @property
    def end(self) -> float:
        """When it was over, or now."""
        return self.incident.ended_at.timestamp() if self.incident.ended_at else self.now

    @property
    def onset(self) -> float:
        """When the fault itself will have begun."""
        return self.start - ONSET_SECONDS

    @property
    def window(self) -> tuple[float, float]:
        """The time around the start; not what is to come."""
        end = min(max(self.end, self.start) + ONSET_SECONDS, self.start + AFTER_SECONDS, max(self.now, self.start))
        return self.start - BEFORE_SECONDS, end

    @cached_property
    def affected(self) -> tuple[str, ...]:
        """Services that suffer from the cause, over any number of hops, in the catalogue's order."""
        return tuple(graph.affected_by(self.catalogue, self.root))

    @cached_property
    def services(self) -> tuple[str, ...]:
        """The services to look at: the cause, if it is one of ours, those that alerts name, and the affected ones."""
        named = [alert.service for alert in self.alerts] + [alert.dependency for alert in self.alerts]
        found = dict.fromkeys([self.root, *named, *self.affected])
        return tuple(name for name in found if name in self.catalogue.services)

    @cached_property
    def edges(self) -> tuple[Dependency, ...]:
        """The calls to look at: those to the cause, and those that alerts are about."""
        named = {(alert.service, alert.dependency) for alert in self.alerts if alert.dependency}
        return tuple(
            edge for edge in self.catalogue.edges() if edge.callee == self.root or (edge.caller, edge.callee) in named
        )

    @cached_property
    def journeys(self) -> tuple[Journey, ...]:
        """Journeys that begin at an affected service, or that an alert names."""
        named = {str(alert.labels.get("journey", "")) for alert in self.alerts}
        reach = {self.root, *self.affected}
        return tuple(
            journey for journey in self.catalogue.journeys.values() if journey.service in reach or journey.name in named
        )
