"""The dependency graph: who is affected when a node fails, along which path, and who owns it.

A node is a service or an external dependency. A consumer of events depends on their publisher, through the broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from .model import Catalogue

EVENT = "event"
PLATFORM_TEAM = "platform"


@dataclass(frozen=True)
class Hop:
    """One step from an affected node towards the cause. `protocol`: http, grpc, sql, amqp, or event (via broker)."""

    affected: str
    cause: str
    protocol: str


def nodes(catalogue: Catalogue) -> list[str]:
    """Return every node that can be a cause: services first, then external dependencies."""
    return [*catalogue.services, *catalogue.external]


def calls(catalogue: Catalogue) -> tuple[Hop, ...]:
    """Return every direct call, from the caller to its dependency."""
    return tuple(Hop(edge.caller, edge.callee, edge.protocol) for edge in catalogue.edges())


def hops(catalogue: Catalogue) -> tuple[Hop, ...]:
    """Return every direct step: calls, then events from a consumer to their publisher."""
    events = (Hop(consumer, publisher, EVENT) for publisher, consumer in sorted(catalogue.event_edges()))
    return (*calls(catalogue), *events)


def callers_of(catalogue: Catalogue, name: str) -> list[str]:
    """Return every other service that reaches `name` by calls, over any number of hops, in the catalogue's order."""
    return _services(catalogue, _first_hops(calls(catalogue), name), name)


def affected_by(catalogue: Catalogue, name: str) -> list[str]:
    """Return every other service affected by a failure of `name`, by calls and events, in the catalogue's order."""
    return _services(catalogue, _first_hops(hops(catalogue), name), name)


def path(catalogue: Catalogue, affected: str, cause: str) -> tuple[Hop, ...] | None:
    """Return the shortest path from an affected node to the cause: () if they are the same, None if there is none."""
    first = _first_hops(hops(catalogue), cause)
    if affected not in first:
        return None
    found: list[Hop] = []
    hop = first[affected]
    while hop is not None:
        found.append(hop)
        hop = first[hop.cause]
    return tuple(found)


def crossed_by(catalogue: Catalogue, journey: str) -> list[str]:
    """Return the services that a successful journey passes through: those called, then consumers of its events."""
    start = catalogue.journeys[journey]
    reached = [start.service]
    for name in reached:
        callees = (edge.callee for edge in catalogue.services[name].calls("http", "grpc"))
        reached += [callee for callee in callees if callee in catalogue.services and callee not in reached]
    consumers = {
        queue.consumer for queue in catalogue.queues.values() for event in start.publishes if event in queue.events
    }
    return [name for name in catalogue.services if name in {*reached, *consumers}]


def owner_of(catalogue: Catalogue, name: str) -> str:
    """Return the team that owns a node. An external dependency belongs to its callers' owner if they share one."""
    if name in catalogue.services:
        return catalogue.services[name].owner
    owners = {catalogue.services[edge.caller].owner for edge in catalogue.edges() if edge.callee == name}
    return owners.pop() if len(owners) == 1 else PLATFORM_TEAM


def teams(catalogue: Catalogue) -> list[str]:
    """Return every team, the platform team last."""
    owners = dict.fromkeys(service.owner for service in catalogue.services.values())
    return [*(owner for owner in owners if owner != PLATFORM_TEAM), PLATFORM_TEAM]


def _services(catalogue: Catalogue, reached: Iterable[str], cause: str) -> list[str]:
    found = set(reached) - {cause}
    return [name for name in catalogue.services if name in found]


def _first_hops(every: tuple[Hop, ...], cause: str) -> dict[str, Hop | None]:
    """Return the first hop of each affected node's shortest path to the cause. Prefers calls to events."""
    reached: dict[str, Hop | None] = {cause: None}
    frontier = deque([cause])
    while frontier:
        current = frontier.popleft()
        for hop in every:
            if hop.cause == current and hop.affected not in reached:
                reached[hop.affected] = hop
                frontier.append(hop.affected)
    return reached
