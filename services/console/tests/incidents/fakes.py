"""Backends that give the answers a test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.errors import BackendDown
from backends.jaeger import Event, Span, Trace, TraceQuery
from backends.prometheus import Sample, Series


@dataclass
class FakePrometheus:
    """Answers by the first key that an expression contains, and records the queries."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    series: dict[str, list[Series]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def query(self, expr: str, *, at: float | None = None) -> list[Sample]:
        self.asked.append(expr)
        return next((found for key, found in self.samples.items() if key in expr), [])

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self.asked.append(expr)
        return next((found for key, found in self.series.items() if key in expr), [])


@dataclass
class FakeJaeger:
    """Returns these traces."""

    traces: Sequence[Trace] = ()
    asked: list[TraceQuery] = field(default_factory=list)

    def search(self, query: TraceQuery) -> list[Trace]:
        self.asked.append(query)
        return [
            trace
            for trace in self.traces
            if query.service in trace.services and (trace.error_spans or not query.errors_only)
        ]


@dataclass
class FakeElasticsearch:
    """Returns these lines: (epoch seconds, fields)."""

    lines: Sequence[tuple[float, dict[str, Any]]] = ()
    asked: list[Any] = field(default_factory=list)

    def logs(self, query: Any, *, start: float, end: float, size: int, **options: Any) -> dict[str, Any]:
        self.asked.append(query)
        found = [(at, fields) for at, fields in self.lines if start <= at < end]
        hits = [
            {"_id": str(index), "_source": fields, "sort": [at * 1000, str(index)]}
            for index, (at, fields) in enumerate(found[:size])
        ]
        return {"hits": {"hits": hits, "total": {"value": len(found)}}}


class Dead:
    """A backend that never answers."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise BackendDown(self._name, "no connection (refused)")

        return fail


def span(
    name: str,
    service: str,
    parent: str = "",
    *,
    start: float = 0.0,
    seconds: float = 0.1,
    error: bool = False,
    kind: str = "server",
    exception: str = "",
    **tags: Any,
) -> Span:
    """Build a span, `start` seconds after 2026-11-22 12:00 UTC; its id is its name."""
    events = [Event(0, "exception", {"exception.type": exception, "exception.message": "why"})] if exception else []
    begin = round((1795348800 + start) * 1_000_000)
    dotted = {key.replace("__", "."): value for key, value in tags.items()}
    return Span(name, parent, service, service, name, kind, begin, round(seconds * 1e6), error, "", dotted, events, [])


def trace(number: int, *spans: Span) -> Trace:
    return Trace(f"{number:032x}", spans)
