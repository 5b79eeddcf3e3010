"""The scope of all evidence: an episode of an incident, its alerts, its time window, and the services involved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

from catalogue import Catalogue, Dependency, Journey, graph, load

from incidents.models import Alert, Episode, Incident

# A rule fires after its condition held for a while, over rates of a minute: the fault began about this much earlier.
ONSET_SECONDS = 120.0
# Evidence is collected around the start; later events are consequences.
BEFORE_SECONDS = 600.0
AFTER_SECONDS = 1200.0


@dataclass(frozen=True)
class Scene:
    """One episode of an incident with its context.

    Times are seconds since the epoch; `now` is when this was created. `alerts` are those of the episode, `number` its
    place among `episodes`, from 1.
    """

    incident: Incident
    episodes: tuple[Episode, ...]
    number: int
    alerts: tuple[Alert, ...]
    catalogue: Catalogue
    now: float

    @classmethod
    def of(cls, incident: Incident, number: int | None = None, catalogue: Catalogue | None = None) -> Scene:
        """Return the scene of an incident's episode; default: the newest. Raises Episode.DoesNotExist."""
        episodes = tuple(incident.episodes.all())
        wanted = len(episodes) if number is None else number
        if not 1 <= wanted <= len(episodes):
            raise Episode.DoesNotExist(f"incident {incident.number} has no episode {wanted}")
        alerts = tuple(episodes[wanted - 1].alerts.all())
        return cls(incident, episodes, wanted, alerts, catalogue or load(), time.time())

    @property
    def episode(self) -> Episode:
        """Return the episode."""
        return self.episodes[self.number - 1]

    @property
    def is_newest(self) -> bool:
        """Return whether it is the incident's newest episode."""
        return self.number == len(self.episodes)

    @property
    def root(self) -> str:
        """Return the service, or external dependency, that is the cause."""
        return self.incident.root_service

    @property
    def start(self) -> float:
        """Return when the episode's first alert fired."""
        return self.episode.started_at.timestamp()

    @property
    def end(self) -> float:
        """Return when the episode ended, or now."""
        return self.episode.ended_at.timestamp() if self.episode.ended_at else self.now

    @property
    def onset(self) -> float:
        """Return when the fault itself probably began; never within the episode before."""
        began = self.start - ONSET_SECONDS
        ended = self.episodes[self.number - 2].ended_at if self.number > 1 else None
        return max(began, ended.timestamp()) if ended is not None else began

    @property
    def window(self) -> tuple[float, float]:
        """Return the time window around the start, which ends now at the latest."""
        end = min(max(self.end, self.start) + ONSET_SECONDS, self.start + AFTER_SECONDS, max(self.now, self.start))
        return self.start - BEFORE_SECONDS, end

    @cached_property
    def affected(self) -> tuple[str, ...]:
        """Return services affected by the cause, over any number of hops, in the catalogue's order."""
        return tuple(graph.affected_by(self.catalogue, self.root))

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Return the services to examine: the cause, if it is a service, those named by alerts, and those affected."""
        named = [alert.service for alert in self.alerts] + [alert.dependency for alert in self.alerts]
        found = dict.fromkeys([self.root, *named, *self.affected])
        return tuple(name for name in found if name in self.catalogue.services)

    @cached_property
    def edges(self) -> tuple[Dependency, ...]:
        """Return the calls to examine: those to the cause, and those that alerts are about."""
        named = {(alert.service, alert.dependency) for alert in self.alerts if alert.dependency}
        return tuple(
            edge for edge in self.catalogue.edges() if edge.callee == self.root or (edge.caller, edge.callee) in named
        )

    @cached_property
    def journeys(self) -> tuple[Journey, ...]:
        """Return journeys that begin at an affected service, or that an alert names."""
        named = {str(alert.labels.get("journey", "")) for alert in self.alerts}
        reach = {self.root, *self.affected}
        return tuple(
            journey for journey in self.catalogue.journeys.values() if journey.service in reach or journey.name in named
        )
