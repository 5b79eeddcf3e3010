"""The dependency graph of the catalogue, laid out for drawing: callers to the left of their callees."""

from __future__ import annotations

from dataclasses import dataclass

from catalogue import Catalogue


@dataclass(frozen=True)
class Node:
    """A service or an external dependency. `column` and `row` are its position, from the left and from the top."""

    name: str
    title: str
    is_service: bool
    column: int
    row: float


@dataclass(frozen=True)
class Edge:
    """`caller` calls `callee`; over protocol `events`, `callee` receives events of `caller` through the broker."""

    caller: str
    callee: str
    protocol: str
    queues: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the edge's identifier."""
        return self.caller, self.callee, self.protocol


@dataclass(frozen=True)
class Graph:
    """All nodes and edges, in the catalogue's order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def calls_of(self, name: str) -> tuple[Edge, ...]:
        """Return the dependencies of a node."""
        return tuple(edge for edge in self.edges if edge.caller == name)

    def callers_of(self, name: str) -> tuple[Edge, ...]:
        """Return the callers of a node."""
        return tuple(edge for edge in self.edges if edge.callee == name)


EVENTS = "events"


def build(catalogue: Catalogue) -> Graph:
    """Build the graph of a catalogue."""
    edges = [Edge(edge.caller, edge.callee, edge.protocol) for edge in catalogue.edges()]
    queues: dict[tuple[str, str], dict[str, None]] = {}
    for event in catalogue.events:
        for consumer, queue in event.consumers.items():
            queues.setdefault((event.publisher, consumer), {})[queue] = None
    edges += [Edge(publisher, consumer, EVENTS, tuple(names)) for (publisher, consumer), names in queues.items()]
    return Graph(_nodes(catalogue), tuple(edges))


def _nodes(catalogue: Catalogue) -> tuple[Node, ...]:
    columns = _columns(catalogue)
    rows: dict[str, float] = {}
    # Each column is ordered by the positions of its callers, so that fewer lines cross.
    for column in range(max(columns.values(), default=0) + 1):
        names = [name for name, at in columns.items() if at == column]
        names.sort(key=lambda name: _middle(catalogue, name, rows))
        for index, name in enumerate(names):
            rows[name] = (index + 0.5) / len(names)
    titles = {name: service.title for name, service in catalogue.services.items()}
    titles |= {name: external.title for name, external in catalogue.external.items()}
    return tuple(
        Node(name, titles[name], name in catalogue.services, column, rows[name]) for name, column in columns.items()
    )


def _columns(catalogue: Catalogue) -> dict[str, int]:
    """Return each node's column: one more than its rightmost caller; external dependencies are in the last column."""
    columns = dict.fromkeys(catalogue.services, 0)
    # A longest path visits each service at most once, even with cycles of calls.
    for _ in catalogue.services:
        for edge in catalogue.edges():
            if edge.callee in columns and columns[edge.callee] <= columns[edge.caller] < len(columns) - 1:
                columns[edge.callee] = columns[edge.caller] + 1
    last = max(columns.values(), default=0) + 1
    return {**columns, **dict.fromkeys(catalogue.external, last)}


def _middle(catalogue: Catalogue, name: str, rows: dict[str, float]) -> float:
    found = [rows[edge.caller] for edge in catalogue.edges() if edge.callee == name and edge.caller in rows]
    return sum(found) / len(found) if found else 0.0
