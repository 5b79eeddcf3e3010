"""Comparison of two traces: the same work in both, work in only one, and where the time was spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from backends.jaeger import Trace

from traces.tree import NO_PARENT, arrange, self_times

# More rows than this are unreadable.
MOST_ROWS = 500

Step = tuple[str, str, str]


@dataclass(slots=True)
class Side:
    """The spans of one trace with the same operation at the same position. Durations in microseconds, summed."""

    count: int = 0
    duration_us: int = 0
    self_us: int = 0
    errors: int = 0

    @property
    def duration(self) -> float:
        """Return the duration in seconds."""
        return self.duration_us / 1e6


@dataclass(slots=True)
class Row:
    """One operation: its position in the tree, and the time each trace spent on it."""

    service: str
    operation: str
    kind: str
    depth: int
    left: Side = field(default_factory=Side)
    right: Side = field(default_factory=Side)

    @property
    def verdict(self) -> str:
        """Return both, left (only in the first trace) or right."""
        if not self.right.count:
            return "left"
        return "both" if self.left.count else "right"

    @property
    def delta(self) -> float:
        """Return how many seconds longer the second trace took, including children; negative if it was faster."""
        return (self.right.duration_us - self.left.duration_us) / 1e6

    @property
    def self_delta(self) -> float:
        """Return how many seconds longer the second trace took for this operation itself."""
        return (self.right.self_us - self.left.self_us) / 1e6


@dataclass(slots=True)
class _Place:
    row: Row
    children: dict[Step, _Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows in the order of a waterfall. ``cut``: there were more rows than displayed."""

    rows: list[Row]
    cut: bool

    @property
    def largest(self) -> float:
        """Return the largest difference of a row's own time, in seconds: the scale of the bars."""
        return max((abs(row.self_delta) for row in self.rows), default=0.0)


def compare(left: Trace, right: Trace) -> Difference:
    """Match the spans of both traces by their path from the root: service, operation and kind at each step."""
    top: dict[Step, _Place] = {}
    for trace, is_left in ((left, True), (right, False)):
        nodes = arrange(trace)
        places: list[_Place] = []
        for node, own in zip(nodes, self_times(nodes), strict=True):
            span = node.span
            siblings = top if node.parent == NO_PARENT else places[node.parent].children
            step = (span.service, span.operation, span.kind)
            if step not in siblings:
                siblings[step] = _Place(Row(*step, depth=node.depth))
            place = siblings[step]
            places.append(place)
            side = place.row.left if is_left else place.row.right
            side.count += 1
            side.duration_us += span.duration_us
            side.self_us += own
            side.errors += span.error
    rows = list(_flat(top))
    return Difference(rows[:MOST_ROWS], len(rows) > MOST_ROWS)


def _flat(top: dict[Step, _Place]) -> Iterator[Row]:
    stack = list(reversed(top.values()))
    while stack:
        place = stack.pop()
        yield place.row
        stack += reversed(place.children.values())
