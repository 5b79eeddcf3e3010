"""A trace's spans as a tree: their order on the page, their own time, the critical path.

Traces may be deep (a span for each step of a loop), so nothing here is recursive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from backends.jaeger import Span, Trace

NO_PARENT = -1


@dataclass(frozen=True, slots=True)
class Node:
    """A span in the tree. ``parent`` is the index of its parent's node, or -1; ``size`` counts its descendants.

    ``is_orphan``: its parent isn't in the trace.
    """

    span: Span
    parent: int
    depth: int
    size: int
    is_orphan: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A time in which the trace waited for the node with this index, in µs since the epoch."""

    index: int
    start_us: int
    end_us: int


def arrange(trace: Trace) -> list[Node]:
    """Return all spans, each after its parent and before the parent's next child; siblings by their start."""
    children: dict[str, list[Span]] = {}
    roots: list[Span] = []
    for span in trace.spans:
        if span.parent_id in trace.by_id and span.parent_id != span.span_id:
            children.setdefault(span.parent_id, []).append(span)
        else:
            roots.append(span)
    placed: dict[str, int] = {}
    spans: list[Span] = []
    parents: list[int] = []
    # Spans in a cycle of parents have no root: the first one found becomes the root.
    for start in (*roots, *trace.spans):
        stack = [(start, NO_PARENT)]
        while stack:
            span, parent = stack.pop()
            if span.span_id in placed:
                continue
            placed[span.span_id] = index = len(spans)
            spans.append(span)
            parents.append(parent)
            stack += [(child, index) for child in reversed(children.get(span.span_id, ()))]
    depths: list[int] = []
    for parent in parents:
        depths.append(0 if parent == NO_PARENT else depths[parent] + 1)
    sizes = [0] * len(spans)
    for index in range(len(spans) - 1, -1, -1):
        if parents[index] != NO_PARENT:
            sizes[parents[index]] += sizes[index] + 1
    return [
        Node(span, parent, depth, size, bool(span.parent_id) and parent == NO_PARENT)
        for span, parent, depth, size in zip(spans, parents, depths, sizes, strict=True)
    ]


def self_times(nodes: Sequence[Node]) -> list[int]:
    """Return for each node the microseconds in which none of its children ran."""
    covered: list[list[tuple[int, int]]] = [[] for _ in nodes]
    for node in nodes:
        if node.parent != NO_PARENT:
            parent = nodes[node.parent].span
            start, end = max(node.span.start_us, parent.start_us), min(node.span.end_us, parent.end_us)
            if start < end:
                covered[node.parent].append((start, end))
    times = []
    for node, intervals in zip(nodes, covered, strict=True):
        busy, reached = 0, node.span.start_us
        for start, end in sorted(intervals):
            busy += max(0, end - max(start, reached))
            reached = max(reached, end)
        times.append(node.span.duration_us - busy)
    return times


def critical_path(nodes: Sequence[Node]) -> list[Section]:
    """Return what the first root waited for, from its start to its end: at each time the child that finished last.

    Work that continues after its caller ended (a message's consumer) did not delay the caller and is not part of it.
    """
    if not nodes:
        return []
    bounds = _within_parents(nodes)
    ending: list[list[tuple[int, int]]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        bound = bounds[index]
        if node.parent != NO_PARENT and bound is not None:
            ending[node.parent].append((bound[1], index))
    for children in ending:
        children.sort()
    # Each node's children from this index on have been visited, or ended too late to matter.
    visited = [len(children) for children in ending]
    sections: list[Section] = []
    current = 0
    until = nodes[0].span.end_us
    while True:
        children = ending[current]
        visited[current] = min(visited[current], bisect_right(children, (until, len(nodes))))
        if visited[current]:
            visited[current] -= 1
            child_end, child = children[visited[current]]
            _add(sections, current, child_end, until)
            current, until = child, child_end
            continue
        bound = bounds[current]
        begun = bound[0] if bound is not None else until
        _add(sections, current, begun, until)
        if nodes[current].parent == NO_PARENT:
            break
        current, until = nodes[current].parent, begun
    sections.reverse()
    return sections


def _add(sections: list[Section], index: int, start_us: int, end_us: int) -> None:
    if start_us < end_us:
        sections.append(Section(index, start_us, end_us))


def _within_parents(nodes: Sequence[Node]) -> list[tuple[int, int] | None]:
    """Return each span's start and end, limited to those of its parent; None where nothing remains."""
    bounds: list[tuple[int, int] | None] = []
    for node in nodes:
        start, end = node.span.start_us, node.span.end_us
        if node.parent != NO_PARENT:
            around = bounds[node.parent]
            if around is None or start >= around[1] or end <= around[0]:
                bounds.append(None)
                continue
            start, end = max(start, around[0]), min(end, around[1])
        bounds.append((start, end))
    return bounds
