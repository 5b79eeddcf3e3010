"""Searches in Jaeger, and a summary of each trace found."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import catalogue
from backends import jaeger
from backends.errors import BackendDown
from backends.jaeger import MOST_TRACES, Jaeger, Trace
from shell import noise

from traces.form import Search
from traces.reach import searched_seconds

# Health checks are many traces without information. They are shown on request, or if they failed.
# Jaeger can't exclude them, so more traces are requested.
_WITH_PROBES = 3
# With many services each gets its share of the limit, but at least this many traces.
_LEAST_SHARE = 10
# The most searches for the longest traces of one service. Each finds fewer traces than the one before.
_MOST_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of the results. ``duration`` in seconds, ``start`` in seconds since the epoch.

    ``duration`` is that of the first span, for which its caller waited; ``whole`` lasts until the end of the last span,
    which may be that of a consumer much later.
    """

    trace_id: str
    service: str
    operation: str
    start: float
    duration: float
    whole: float
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
            duration=waited(trace),
            whole=trace.duration,
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

    ``observers`` are services whose own requests were left out. ``over`` is the duration above which the longest traces
    are complete, None if all were found.
    ``missing`` are services for which Jaeger didn't answer in time, while it did for others.
    """

    rows: tuple[Summary, ...]
    cut: bool
    probes: int = 0
    missing: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    over: float | None = None


def waited(trace: Trace) -> float:
    """Return the seconds that the trace's caller waited: the duration of its first span, if that is stored."""
    root = trace.root
    return trace.duration if root.parent_id else root.duration_us / 1e6


def find(search: Search) -> Results:
    """Run a search. Without a service all services of the platform are searched. Raises BackendDown."""
    client = jaeger.client()
    oldest = time.time() - searched_seconds()
    if search.timerange.end <= oldest:
        return Results((), cut=False)
    hidden = () if search.service or search.shows_probes else noise.observers()
    services = [search.service] if search.service else [name for name in known_services() if name not in hidden]
    share = search.limit if search.service else max(_LEAST_SHARE, -(-search.limit // max(1, len(services))))
    if not (search.shows_probes or search.operation or search.errors_only):
        share = min(share * _WITH_PROBES, MOST_TRACES)
    traces: dict[str, Trace] = {}
    failed: dict[str, BackendDown] = {}
    cut = False
    over: float | None = None
    for service in services:
        query = _recent(search.query(service, share), oldest)
        try:
            if search.sort == "longest":
                # What is shorter than the bound of a service before is not shown anyway.
                least = max(query.min_duration or 0.0, over or 0.0) or None
                query = replace(query, min_duration=least, limit=search.limit)
                found, least, is_exact = _longest(client, query, search)
                over = max((bound for bound in (over, least) if bound is not None), default=None)
                cut = cut or not is_exact
            else:
                found = client.search(query)
        except BackendDown as error:
            failed[service] = error
            # If the first query got no answer, the others would only time out as well.
            if not traces:
                raise
            continue
        cut = cut or (search.sort != "longest" and len(found) >= share)
        traces.update({trace.trace_id: trace for trace in found})
    newest = sorted(traces.values(), key=lambda trace: trace.start, reverse=True)
    wanted = [trace for trace in newest if _is_shown(trace, search)]
    if over is not None:
        wanted = [trace for trace in wanted if waited(trace) >= over]
    if search.sort == "longest":
        wanted.sort(key=waited, reverse=True)
    rows = [Summary.of(trace) for trace in wanted[: search.limit]]
    return Results(
        rows=tuple(_sorted(rows, search.sort)),
        cut=cut or over is not None or len(wanted) > search.limit,
        probes=sum(not _is_shown(trace, search) for trace in newest),
        missing=tuple(failed),
        observers=tuple(hidden),
        over=over,
    )


def _longest(client: Jaeger, query: jaeger.TraceQuery, search: Search) -> tuple[list[Trace], float | None, bool]:
    """Find the longest traces of a service. Jaeger returns the newest ones, but not shorter than a minimum.

    The minimum rises until Jaeger returns all traces above it. Returns the traces, that minimum (None if these are all
    traces), and whether all traces above it were found: not if too many are equally long. Raises BackendDown.
    """
    found: dict[str, Trace] = {}
    least = query.min_duration
    # The highest minimum with too many traces; the lowest with too few.
    below, above = least or 0.0, None
    for _ in range(_MOST_ROUNDS):
        page = client.search(replace(query, min_duration=least))
        found.update({trace.trace_id: trace for trace in page})
        if len(page) < query.limit:
            if least == query.min_duration or len(page) >= query.limit // 4:
                return list(found.values()), None if least == query.min_duration else least, True
            above = least
        else:
            below = least or 0.0
        least = _next_minimum(page, below, above, search)
    has_rows = above is not None and any(waited(trace) >= above for trace in found.values())
    return list(found.values()), above if has_rows else None, has_rows


def _next_minimum(page: list[Trace], below: float, above: float | None, search: Search) -> float:
    if above is not None:
        return (below + above) / 2
    lengths = sorted(waited(trace) for trace in page if _is_shown(trace, search)) or [below]
    # One in ten of these is longer: about one in ten of all.
    return max(statistics.quantiles([*lengths, lengths[-1]], n=10)[-1], below * 1.5, 1e-3)


def _is_shown(trace: Trace, search: Search) -> bool:
    return search.shows_probes or bool(search.operation) or not _is_probe(trace)


def known_services() -> list[str]:
    """Return the platform's services, which are searched when none is chosen."""
    return list(catalogue.load().services)


def _is_probe(trace: Trace) -> bool:
    """Return whether it is a health check that did not fail. One of gRPC's may be unimplemented: that is no failure."""
    return noise.is_probe(trace.root.operation) and (
        not trace.error_spans or all(span.tags.get("error.type") == "UNIMPLEMENTED" for span in trace.error_spans)
    )


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
