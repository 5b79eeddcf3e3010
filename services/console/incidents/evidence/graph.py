"""Who feels whose fault, and along which way, from the catalogue's calls and events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from contracts.catalogue import Catalogue

EVENT = "event"


@dataclass(frozen=True)
class Hop:
    """One step from who suffers to what is to blame. `protocol` is http, grpc, sql, amqp, or event (by the broker)."""

    sufferer: str
    blamed: str
    protocol: str


def hops(catalogue: Catalogue) -> tuple[Hop, ...]:
    """Every step: calls to a dependency, and events from a publisher."""
    calls = [Hop(edge.caller, edge.callee, edge.protocol) for edge in catalogue.edges()]
    events = [Hop(consumer, publisher, EVENT) for publisher, consumer in sorted(catalogue.event_edges())]
    return (*calls, *events)


def affected_by(catalogue: Catalogue, cause: str) -> tuple[str, ...]:
    """Every other service that suffers when `cause` fails, over any number of hops, in the catalogue's order."""
    reached = _ways(catalogue, cause)
    return tuple(name for name in catalogue.services if name in reached and name != cause)


def way(catalogue: Catalogue, sufferer: str, cause: str) -> tuple[Hop, ...] | None:
    """The shortest way from who suffers to the cause; () when they are the same, None when there is none."""
    reached = _ways(catalogue, cause)
    if sufferer not in reached:
        return None
    found: list[Hop] = []
    current = sufferer
    while current != cause:
        hop = reached[current]
        if hop is None:
            break
        found.append(hop)
        current = hop.blamed
    return tuple(found)


def _ways(catalogue: Catalogue, cause: str) -> dict[str, Hop | None]:
    """For each that suffers, the first step of the shortest way to the cause. Calls go before events."""
    every = hops(catalogue)
    reached: dict[str, Hop | None] = {cause: None}
    frontier = deque([cause])
    while frontier:
        blamed = frontier.popleft()
        for hop in every:
            if hop.blamed == blamed and hop.sufferer not in reached:
                reached[hop.sufferer] = hop
                frontier.append(hop.sufferer)
    return reached
