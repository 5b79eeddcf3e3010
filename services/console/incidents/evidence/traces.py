"""Example traces of failed requests, with the path down to the span where the failure began.

Requests from before the fault, health checks and the console's own requests are no evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backends import jaeger
from backends.jaeger import Span, Trace, TraceQuery
from shell import noise

from incidents.evidence import onset
from incidents.evidence.scene import Scene

MOST = 3
_SEARCHED = 30
# Seconds after the start in which examples are searched: early ones say most about the cause.
_SECONDS = (180.0, 900.0)
# The maximum number of services to search: each is a query.
_SERVICES = 4
_SLOW_SECONDS = 0.25
# Error responses that are not failures: a declined card, out of stock, a wrong password.
_ANSWERS = frozenset(
    {
        *(str(status) for status in range(400, 500) if status not in (408, 429)),
        "CANCELLED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNAUTHENTICATED",
    }
)


@dataclass(frozen=True)
class Line:
    """One span of the path; `left` and `width` place its bar, in twentieths of the path's duration."""

    span: Span
    depth: int
    left: int
    width: int
    is_failing: bool

    @property
    def seconds(self) -> float:
        """Return the span's duration."""
        return self.span.duration_us / 1_000_000


@dataclass(frozen=True)
class Example:
    """A trace, with the spans from its root to the one that failed, or that took longest."""

    trace: Trace
    lines: tuple[Line, ...]
    # Empty for a trace that was only slow.
    failure: str

    @property
    def failing(self) -> Span:
        """Return the span to examine."""
        return self.lines[-1].span


def examples(scene: Scene) -> list[Example]:
    """Return up to three traces: failed ones, or if none failed, the slowest. Raises BackendDown."""
    over = max(scene.end, scene.start + 60)
    began = onset.measure(scene)
    for seconds in _SECONDS:
        end = min(over, scene.start + seconds)
        failed = [trace for trace in _search(scene, began, end, errors_only=True) if _fault(trace) is not None]
        if failed:
            return [_failed(trace) for trace in _choose(scene, failed)]
    slow = _search(scene, began, min(over, scene.start + _SECONDS[-1]), errors_only=False)
    return [_slow(trace) for trace in sorted(slow, key=lambda trace: -trace.duration)[:MOST]]


def _search(scene: Scene, began: float, end: float, *, errors_only: bool) -> list[Trace]:
    """Search failed or slow requests of customers, from when the fault began until `end`."""
    client = jaeger.client()
    found: dict[str, Trace] = {}
    for service in _where(scene):
        query = TraceQuery(
            service=service,
            start=began,
            end=end,
            errors_only=errors_only,
            min_duration=None if errors_only else _SLOW_SECONDS,
            limit=_SEARCHED,
        )
        found.update({trace.trace_id: trace for trace in client.search(query)})
    return [trace for trace in found.values() if trace.start >= began and not _is_noise(trace)]


def _is_noise(trace: Trace) -> bool:
    """Return whether it is a health check or a request of the console."""
    return noise.is_probe(trace.root.operation) or trace.root.service in noise.observers()


def _fault(trace: Trace) -> Span | None:
    """Return the deepest span that failed because of a fault, the earliest of several."""
    faults = [span for span in trace.error_spans if not _is_answer(span) and not noise.is_probe(span.operation)]
    return max(faults, key=lambda span: (trace.depths[span.span_id], -span.start_us), default=None)


def _is_answer(span: Span) -> bool:
    """Return whether a span failed only because of an expected error response."""
    said = (span.tags.get(name) for name in ("http.response.status_code", "rpc.response.status_code", "error.type"))
    return any(str(value) in _ANSWERS for value in said if value is not None)


def _where(scene: Scene) -> list[str]:
    """Return the services to search: first those where journeys begin, then the cause and its callers."""
    begin = [journey.service for journey in scene.journeys]
    callers = [edge.caller for edge in scene.edges]
    found = dict.fromkeys([*callers, scene.root, *begin, *scene.services])
    return [name for name in found if name in scene.catalogue.services][:_SERVICES]


def _choose(scene: Scene, traces: Sequence[Trace]) -> Iterable[Trace]:
    """Choose the traces most related to the cause, each with a different failure, the earliest first."""
    ranked = sorted(traces, key=lambda trace: (-_relevance(scene, trace), trace.start))
    # Other failures are used only if none is related to the cause.
    ranked = [trace for trace in ranked if _relevance(scene, trace)] or ranked
    kinds: dict[tuple[str, ...], Trace] = {}
    for trace in ranked:
        failing = _fault(trace)
        if failing is not None:
            kinds.setdefault((trace.root.operation, failing.service, failing.operation, failing.status), trace)
    chosen = list(kinds.values())[:MOST]
    chosen += [trace for trace in ranked if trace not in chosen]
    return chosen[:MOST]


def _relevance(scene: Scene, trace: Trace) -> int:
    failing = _fault(trace)
    if failing is None:
        return 0
    callers = {edge.caller for edge in scene.edges}
    if failing.service == scene.root:
        return 3
    if failing.service in callers and failing.kind in ("client", "producer"):
        return 2
    return 1 if scene.root in trace.services else 0


def _failed(trace: Trace) -> Example:
    failing = _fault(trace) or trace.root
    return Example(trace, _lines(trace, failing), _failure(failing))


def _failure(span: Span) -> str:
    """Return the span's description of its failure."""
    for event in span.events:
        if event.name == "exception":
            said = (event.attributes.get("exception.type"), event.attributes.get("exception.message"))
            return ": ".join(str(part) for part in said if part)
    kind = str(span.tags.get("error.type") or span.tags.get("http.response.status_code") or "")
    return ": ".join(part for part in (kind, span.status) if part) or "failed"


def _slow(trace: Trace) -> Example:
    children: dict[str, int] = {}
    for span in trace.spans:
        children[span.parent_id] = children.get(span.parent_id, 0) + span.duration_us
    # The span with the longest own time, without waiting for child spans.
    longest = max(trace.spans, key=lambda span: span.duration_us - children.get(span.span_id, 0))
    return Example(trace, _lines(trace, longest), "")


def _lines(trace: Trace, last: Span) -> tuple[Line, ...]:
    way: list[Span] = []
    current: Span | None = last
    while current is not None and current not in way:
        way.append(current)
        current = trace.by_id.get(current.parent_id)
    way.reverse()
    # Not the whole trace: consumers may extend it half a minute later.
    first = min(span.start_us for span in way)
    whole = max(max(span.end_us for span in way) - first, 1)
    return tuple(
        Line(
            span=span,
            depth=depth,
            left=min(19, int((span.start_us - first) / whole * 20)),
            width=max(1, min(20, round(span.duration_us / whole * 20))),
            is_failing=span is last,
        )
        for depth, span in enumerate(way)
    )
