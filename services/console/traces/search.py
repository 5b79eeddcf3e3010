"""Searches in Jaeger, and a summary of each trace found."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import catalogue
from backends import jaeger
from backends.errors import BackendDown
from backends.jaeger import MOST_TRACES, Trace

from traces.form import Search
from traces.reach import searched_seconds

# Routes of health checks: many traces without information. They are shown on request, or if they failed.
_PROBE = re.compile(r"\b(livez|readyz|healthz)$")
# Jaeger can't exclude them, so more traces are requested.
_WITH_PROBES = 3
# With many services each gets its share of the limit, but at least this many traces.
_LEAST_SHARE = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of the results. ``duration`` in seconds, ``start`` in seconds since the epoch."""

    trace_id: str
    service: str
    operation: str
    start: float
    duration: float
    spans: int
    errors: int
    services: tuple[tuple[str, int], ...]
    failing: str
    failing_span_id: str
    is_partial: bool

    @classmethod
    def of(cls, trace: Trace) -> Summary:
        """Return the summary of a trace."""
        root, failing = trace.root, trace.failing_span()
        return cls(
            trace_id=trace.trace_id,
            service=root.service,
            operation=root.operation,
            start=trace.start,
            duration=trace.duration,
            spans=len(trace.spans),
            errors=len(trace.error_spans),
            services=tuple(trace.services.items()),
            failing=f"{failing.service}: {failing.operation}" if failing else "",
            failing_span_id=failing.span_id if failing else "",
            is_partial=bool(root.parent_id),
        )


@dataclass(frozen=True, slots=True)
class Results:
    """The result of a search. ``cut``: there may be more than the limit, ``probes`` counts those left out.

    ``missing`` are services for which Jaeger didn't answer in time, while it did for others.
    """

    rows: tuple[Summary, ...]
    cut: bool
    probes: int = 0
    missing: tuple[str, ...] = ()


def find(search: Search) -> Results:
    """Run a search. Without a service all services of the platform are searched. Raises BackendDown."""
    client = jaeger.client()
    oldest = time.time() - searched_seconds()
    if search.timerange.end <= oldest:
        return Results((), cut=False)
    services = [search.service] if search.service else known_services()
    share = search.limit if search.service else max(_LEAST_SHARE, -(-search.limit // max(1, len(services))))
    if not (search.shows_probes or search.operation or search.errors_only):
        share = min(share * _WITH_PROBES, MOST_TRACES)
    traces: dict[str, Trace] = {}
    failed: dict[str, BackendDown] = {}
    cut = False
    for service in services:
        try:
            found = client.search(_recent(search.query(service, share), oldest))
        except BackendDown as error:
            failed[service] = error
            # If the first query got no answer, the others would only time out as well.
            if not traces:
                raise
            continue
        cut = cut or len(found) >= share
        traces.update({trace.trace_id: trace for trace in found})
    newest = sorted(traces.values(), key=lambda trace: trace.start, reverse=True)
    wanted = [trace for trace in newest if search.shows_probes or search.operation or not _is_probe(trace)]
    rows = [Summary.of(trace) for trace in wanted[: search.limit]]
    return Results(
        rows=tuple(_sorted(rows, search.sort)),
        cut=cut or len(wanted) > search.limit,
        probes=len(newest) - len(wanted),
        missing=tuple(failed),
    )


def known_services() -> list[str]:
    """Return the platform's services, which are searched when none is chosen."""
    return list(catalogue.load().services)


def _is_probe(trace: Trace) -> bool:
    return _PROBE.search(trace.root.operation) is not None and not trace.error_spans


def _recent(query: jaeger.TraceQuery, oldest: float) -> jaeger.TraceQuery:
    return replace(query, start=max(query.start, oldest))


def _sorted(rows: list[Summary], sort: str) -> list[Summary]:
    # sorted() is stable: equal traces stay newest first.
    keys: dict[str, Callable[[Summary], float]] = {
        "longest": lambda row: -row.duration,
        "errors": lambda row: -row.errors,
        "spans": lambda row: -row.spans,
    }
    return sorted(rows, key=keys[sort]) if sort in keys else rows
