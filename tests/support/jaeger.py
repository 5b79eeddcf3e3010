"""Traces in Jaeger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Span:
    """One span. `parent` is None for a root; `kind` is server, client, producer, consumer or internal."""

    id: str
    parent: str | None
    name: str
    kind: str
    service: str
    instance: str
    start_us: int
    duration_us: int
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.service} {self.kind} {self.name!r} ({self.id} below {self.parent})"


@dataclass(frozen=True)
class Trace:
    """All spans of one trace."""

    id: str
    spans: tuple[Span, ...]

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __str__(self) -> str:
        return "\n          ".join([f"{len(self.spans)} spans", *(str(span) for span in self.spans)])

    @property
    def services(self) -> set[str]:
        return {span.service for span in self.spans}

    @property
    def roots(self) -> list[Span]:
        return [span for span in self.spans if span.parent is None]

    @property
    def orphans(self) -> list[Span]:
        """Spans whose parent isn't in the trace."""
        known = {span.id for span in self.spans}
        return [span for span in self.spans if span.parent is not None and span.parent not in known]

    def caller(self, span: Span) -> Span | None:
        """The nearest ancestor that isn't internal to its process; None for a root."""
        by_id = {known.id: known for known in self.spans}
        above = by_id.get(span.parent or "")
        while above is not None and above.kind == "internal":
            above = by_id.get(above.parent or "")
        return above

    def find(self, service: str, kind: str, name: str | None = None, **attributes: Any) -> list[Span]:
        """The spans with this service, kind, name and attributes (with `__` for the dot)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [
            span
            for span in self.spans
            if span.service == service
            and span.kind == kind
            and (name is None or span.name == name)
            and all(span.attributes.get(key) == value for key, value in wanted.items())
        ]


class Jaeger:
    """Jaeger's query API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def trace_url(self, trace_id: str) -> str:
        """A link to a trace."""
        return f"{self.url}/api/traces/{trace_id}"

    def trace(self, trace_id: str) -> Trace:
        """Read a trace; it has no spans if Jaeger doesn't have it (yet)."""
        response = requests.get(self.trace_url(trace_id), timeout=TIMEOUT_SECONDS)
        if response.status_code == 404:
            return Trace(trace_id, ())
        response.raise_for_status()
        found = response.json()["data"] or [{"spans": [], "processes": {}}]
        return Trace(trace_id, tuple(_span(raw, found[0]["processes"]) for raw in found[0]["spans"]))

    def dependencies(self, end_ms: int, lookback_ms: int) -> set[tuple[str, str]]:
        """The (caller, callee) pairs of the dependency graph."""
        response = requests.get(
            f"{self.url}/api/dependencies",
            params={"endTs": end_ms, "lookback": lookback_ms},
            timeout=TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        return {(entry["parent"], entry["child"]) for entry in response.json()["data"] or []}


def _span(raw: dict[str, Any], processes: dict[str, Any]) -> Span:
    attributes = {tag["key"]: tag["value"] for tag in raw["tags"]}
    process = processes[raw["processID"]]
    resource = {tag["key"]: tag["value"] for tag in process.get("tags", [])}
    parents = [
        reference["spanID"]
        for reference in raw.get("references", [])
        if reference["refType"] == "CHILD_OF" and reference["traceID"] == raw["traceID"]
    ]
    return Span(
        id=raw["spanID"],
        parent=parents[0] if parents else None,
        name=raw["operationName"],
        kind=attributes.get("span.kind", "internal"),
        service=process["serviceName"],
        instance=resource.get("service.instance.id", ""),
        start_us=raw["startTime"],
        duration_us=raw["duration"],
        attributes=attributes,
        resource=resource,
    )
