"""Jaeger's query API: services, operations, searches and whole traces, as typed values.

Times and durations of spans are in microseconds (since the epoch), those of traces in seconds. Every call raises
BackendDown when Jaeger doesn't answer in time and BackendRejected when it rejects the query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from django.conf import settings

from backends.errors import BackendDown, BackendRejected
from backends.http import get_json

NAME = "jaeger"
TRACE_ID = re.compile(r"[0-9a-f]{32}")
# Jaeger's limits: a search returns all spans of each trace.
MOST_TRACES = 200
# A trace of 10,000 spans (Jaeger's max_doc_count) takes about 25 MB.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
NOT_FOUND = 404
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """An event during a span, such as an exception."""

    time_us: int
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A related span that is not the parent."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """One operation. ``parent_id`` is empty at a trace's entry; ``process`` is the replica (service.instance.id).

    ``kind`` is server, client, producer, consumer or internal; ``status`` the error's message.
    """

    span_id: str
    parent_id: str
    service: str
    process: str
    operation: str
    kind: str
    start_us: int
    duration_us: int
    error: bool
    status: str
    tags: dict[str, Any]
    events: list[Event]
    links: list[SpanLink]
    resource: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def end_us(self) -> int:
        """Return the end time."""
        return self.start_us + self.duration_us


@dataclass(frozen=True)
class Trace:
    """The spans of one trace, in order of their start. A trace has at least one span."""

    trace_id: str
    spans: tuple[Span, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Span]:
        """Return the spans by id."""
        return {span.span_id: span for span in self.spans}

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """Return the number of known ancestors of each span. A cycle of parents counts as 0."""
        depths: dict[str, int] = {}
        for span in self.spans:
            path: list[str] = []
            current: Span | None = span
            seen: set[str] = set()
            while current is not None and current.span_id not in depths and current.span_id not in seen:
                seen.add(current.span_id)
                path.append(current.span_id)
                current = self.by_id.get(current.parent_id)
            above = depths.get(current.span_id, -1) if current is not None else -1
            for span_id in reversed(path):
                above += 1
                depths[span_id] = above
        return depths

    @cached_property
    def root(self) -> Span:
        """Return the first span: without a parent in this trace, the earliest of several."""
        return next((span for span in self.spans if span.parent_id not in self.by_id), self.spans[0])

    @property
    def start(self) -> float:
        """Return the start of the first span, in seconds since the epoch."""
        return self.spans[0].start_us / _MICROSECONDS

    @cached_property
    def duration(self) -> float:
        """Return the seconds from the start of the first span to the end of the last."""
        return (max(span.end_us for span in self.spans) - self.spans[0].start_us) / _MICROSECONDS

    @cached_property
    def services(self) -> dict[str, int]:
        """Return the trace's services with their number of spans, in order of appearance."""
        counts: dict[str, int] = {}
        for span in self.spans:
            counts[span.service] = counts.get(span.service, 0) + 1
        return counts

    @cached_property
    def error_spans(self) -> tuple[Span, ...]:
        """Return the failed spans."""
        return tuple(span for span in self.spans if span.error)

    def failing_span(self) -> Span | None:
        """Find where the failure began: the deepest failed span, the earliest of several. None if nothing failed."""
        return max(self.error_spans, key=lambda span: (self.depths[span.span_id], -span.start_us), default=None)


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """A search. Jaeger requires ``service``; ``tags`` must all match, values as text.

    ``start`` and ``end`` are seconds since the epoch, durations seconds.
    """

    service: str
    start: float
    end: float
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    min_duration: float | None = None
    max_duration: float | None = None
    errors_only: bool = False
    limit: int = 50


class Jaeger:
    """A client of one Jaeger. Thread-safe."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout

    def services(self) -> list[str]:
        """Return the names of the services that sent spans, sorted."""
        return sorted(str(name) for name in self._data("/api/services", {}) or ())

    def operations(self, service: str) -> list[str]:
        """Return the names of a service's operations, sorted."""
        found = self._data("/api/operations", {"service": service}) or ()
        return sorted({str(operation["name"]) for operation in found})

    def search(self, query: TraceQuery) -> list[Trace]:
        """Return traces with a matching span, newest first, at most ``limit`` (maximum 200)."""
        tags = dict(query.tags)
        if query.errors_only:
            tags["error"] = "true"
        params: dict[str, Any] = {
            "service": query.service,
            "start": _microseconds(query.start),
            "end": _microseconds(query.end),
            "limit": max(1, min(query.limit, MOST_TRACES)),
        }
        if query.operation:
            params["operation"] = query.operation
        if tags:
            params["tags"] = json.dumps(tags, ensure_ascii=False)
        if query.min_duration is not None:
            params["minDuration"] = f"{_microseconds(query.min_duration)}us"
        if query.max_duration is not None:
            params["maxDuration"] = f"{_microseconds(query.max_duration)}us"
        traces = [trace for raw in self._data("/api/traces", params) or () if (trace := parse(raw)) is not None]
        return sorted(traces, key=lambda trace: trace.start, reverse=True)

    def trace(self, trace_id: str) -> Trace | None:
        """Return a trace; None if Jaeger has none. Raises ValueError unless the id is 32 lower-case hex digits."""
        if not TRACE_ID.fullmatch(trace_id):
            raise ValueError(f"no trace id: {trace_id!r}")
        try:
            found = self._data("/api/traces/{trace_id}", {}, {"trace_id": trace_id})
        except BackendRejected as rejected:
            if rejected.status == NOT_FOUND:
                return None
            raise
        return parse(found[0]) if found else None

    def _data(self, path: str, params: Mapping[str, Any], path_params: Mapping[str, Any] | None = None) -> Any:
        answer = get_json(
            NAME,
            self._base_url,
            path,
            params=params,
            path_params=path_params,
            timeout=self._timeout,
            max_response_bytes=MAX_RESPONSE_BYTES,
        )
        if not isinstance(answer, dict) or "data" not in answer:
            raise BackendDown(NAME, "the answer is not one of Jaeger's API")
        return answer["data"]


@cache
def _client(base_url: str, timeout: float) -> Jaeger:
    return Jaeger(base_url, timeout)


def client() -> Jaeger:
    """Return the client for the Jaeger in the settings (JAEGER_URL, BACKEND_TIMEOUT_SECONDS)."""
    return _client(settings.JAEGER_URL, settings.BACKEND_TIMEOUT_SECONDS)


def parse(raw: Mapping[str, Any]) -> Trace | None:
    """Parse a trace from Jaeger's JSON; None if it has no spans."""
    processes = raw.get("processes") or {}
    resources = {key: _tags(process.get("tags")) for key, process in processes.items()}
    # A span may have been stored twice (a retried export): the first counts.
    spans: dict[str, Span] = {}
    for item in raw.get("spans") or ():
        key = item.get("processID", "")
        span = _span(item, str((processes.get(key) or {}).get("serviceName", "")), resources.get(key, {}))
        spans.setdefault(span.span_id, span)
    if not spans:
        return None
    ordered = sorted(spans.values(), key=lambda span: (span.start_us, -span.duration_us))
    return Trace(str(raw["traceID"]).zfill(32), tuple(ordered))


def _span(item: Mapping[str, Any], service: str, resource: dict[str, Any]) -> Span:
    tags = _tags(item.get("tags"))
    trace_id = item.get("traceID", "")
    parent_id, links = "", []
    for reference in item.get("references") or ():
        here = reference.get("traceID") == trace_id
        if reference.get("refType") == "CHILD_OF" and here and not parent_id:
            parent_id = str(reference["spanID"])
        else:
            links.append(SpanLink(str(reference.get("traceID", "")).zfill(32), str(reference.get("spanID", ""))))
    return Span(
        span_id=str(item["spanID"]),
        parent_id=parent_id,
        service=service,
        process=str(resource.get("service.instance.id", "")),
        operation=str(item.get("operationName", "")),
        kind=str(tags.pop("span.kind", "internal")),
        start_us=int(item["startTime"]),
        duration_us=int(item["duration"]),
        error=str(tags.pop("error", "false")).lower() == "true",
        status=str(tags.pop("otel.status_description", "")),
        tags=tags,
        events=[_event(log) for log in item.get("logs") or ()],
        links=links,
        resource=resource,
        warnings=tuple(str(warning) for warning in item.get("warnings") or ()),
    )


def _event(log: Mapping[str, Any]) -> Event:
    attributes = _tags(log.get("fields"))
    return Event(int(log["timestamp"]), str(attributes.pop("event", "event")), attributes)


def _tags(items: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {str(item["key"]): item.get("value") for item in items or ()}


def _microseconds(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)
