"""A trace for the browser: columns instead of objects, and each text once, so that 5,000 spans stay small."""

from __future__ import annotations

import json
from typing import Any

from backends.jaeger import Event, Span, Trace

from traces.tree import arrange, critical_path, self_times

# A longer tag is truncated: users read it here, and Jaeger has the whole value.
LONGEST_VALUE = 4096


class _Texts:
    """Numbers each distinct text."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.all))
        if number == len(self.all):
            self.all.append(text)
        return number

    def pairs(self, tags: dict[str, Any]) -> list[int]:
        """Return keys and values alternately, sorted by key."""
        return [self.number(text) for key in sorted(tags) for text in (key, shown(tags[key]))]


def build(trace: Trace) -> dict[str, Any]:
    """Return the document of a trace (format: static/traces/model.js). Times are microseconds from its start."""
    nodes = arrange(trace)
    selfs = self_times(nodes)
    texts = _Texts()
    origin = trace.spans[0].start_us
    failing = trace.failing_span()
    indices = {node.span.span_id: index for index, node in enumerate(nodes)}
    spans = [node.span for node in nodes]
    return {
        "trace_id": trace.trace_id,
        "start_us": origin,
        "duration_us": max(span.end_us for span in trace.spans) - origin,
        "services": [{"name": name, "spans": count} for name, count in trace.services.items()],
        "root": indices[trace.root.span_id],
        "failing": indices[failing.span_id] if failing else None,
        "errors": len(trace.error_spans),
        "critical": [
            [section.index, section.start_us - origin, section.end_us - origin] for section in critical_path(nodes)
        ],
        "columns": {
            "id": [span.span_id for span in spans],
            "parent": [node.parent for node in nodes],
            "depth": [node.depth for node in nodes],
            "size": [node.size for node in nodes],
            "orphan": [index for index, node in enumerate(nodes) if node.is_orphan],
            "service": [texts.number(span.service) for span in spans],
            "process": [texts.number(span.process) for span in spans],
            "operation": [texts.number(span.operation) for span in spans],
            "kind": [texts.number(span.kind) for span in spans],
            "start": [span.start_us - origin for span in spans],
            "duration": [span.duration_us for span in spans],
            "self": selfs,
            "error": [index for index, span in enumerate(spans) if span.error],
            "status": [texts.number(span.status) for span in spans],
            "tags": [texts.pairs(span.tags) for span in spans],
            "resource": _resources(spans, texts),
        },
        # Few spans have these.
        "events": {
            str(i): [_event(event, origin) for event in span.events] for i, span in enumerate(spans) if span.events
        },
        "links": {
            str(i): [[link.trace_id, link.span_id] for link in span.links] for i, span in enumerate(spans) if span.links
        },
        "warnings": {str(i): list(span.warnings) for i, span in enumerate(spans) if span.warnings},
        "texts": texts.all,
    }


def _resources(spans: list[Span], texts: _Texts) -> list[int]:
    """Return each span's resource, as JSON. The spans of a process share one object, which is serialised once."""
    numbers: dict[int, int] = {}
    for span in spans:
        if id(span.resource) not in numbers:
            numbers[id(span.resource)] = texts.number(json.dumps(sorted(_shown(span.resource).items())))
    return [numbers[id(span.resource)] for span in spans]


def shown(value: Any) -> str:
    """Return a tag's value as text."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _shown(tags: dict[str, Any]) -> dict[str, str]:
    return {key: shown(value) for key, value in tags.items()}


def _event(event: Event, origin: int) -> dict[str, Any]:
    return {"time": event.time_us - origin, "name": event.name, "attributes": sorted(_shown(event.attributes).items())}
