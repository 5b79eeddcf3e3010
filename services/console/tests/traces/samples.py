"""Hand-written traces in the format of Jaeger's API."""

from __future__ import annotations

from typing import Any

from backends.jaeger import Trace, parse

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
START_US = 1_780_000_000_000_000


def span(  # noqa: PLR0913 - keyword-only, one for each part of a span
    span_id: str,
    parent: str = "",
    *,
    service: str = "orders",
    operation: str = "",
    start: int = 0,
    duration: int = 100,
    error: bool = False,
    kind: str = "internal",
    trace_id: str = TRACE_ID,
    **more: Any,
) -> dict[str, Any]:
    """Build a span; `start` and `duration` in microseconds from the trace's start, `tags` and `logs` as in Jaeger."""
    tags: list[dict[str, Any]] = [{"key": "span.kind", "type": "string", "value": kind}]
    if error:
        tags.append({"key": "error", "type": "bool", "value": True})
    tags += [{"key": key, "type": "string", "value": value} for key, value in more.pop("tags", {}).items()]
    parents = [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": parent}] if parent else []
    return {
        "traceID": trace_id,
        "spanID": span_id,
        "operationName": operation or span_id,
        "references": parents + more.pop("links", []),
        "startTime": START_US + start,
        "duration": duration,
        "tags": tags,
        "logs": more.pop("logs", []),
        "processID": service,
        "warnings": more.pop("warnings", None),
    }


def raw(*spans: dict[str, Any], trace_id: str = TRACE_ID) -> dict[str, Any]:
    """Build a trace of these spans, as one entry of `data`."""
    processes = {
        item["processID"]: {
            "serviceName": item["processID"],
            "tags": [{"key": "service.instance.id", "type": "string", "value": f"{item['processID']}-1"}],
        }
        for item in spans
    }
    return {"traceID": trace_id, "spans": list(spans), "processes": processes}


def trace(*spans: dict[str, Any]) -> Trace:
    """Build a trace of these spans."""
    found = parse(raw(*spans))
    assert found is not None
    return found


def order() -> dict[str, Any]:
    """An order that fails at the card provider."""
    return raw(
        span("a" * 16, service="orders", operation="POST api/v1/orders", duration=1000, error=True, kind="server"),
        span("b" * 16, "a" * 16, service="orders", operation="GET /users", start=100, duration=200, kind="client"),
        span("c" * 16, "b" * 16, service="users", operation="GET users", start=120, duration=150, kind="server"),
        span(
            "d" * 16, "a" * 16, service="orders", operation="charge", start=400, duration=500, error=True, kind="client"
        ),
        span(
            "e" * 16,
            "d" * 16,
            service="payments",
            operation="POST charges",
            start=420,
            duration=450,
            error=True,
            kind="server",
            tags={"otel.status_description": "card-provider: <timeout>", "http.response.status_code": "503"},
            logs=[{"timestamp": START_US + 800, "fields": [{"key": "event", "type": "string", "value": "exception"}]}],
        ),
    )


def parse_raw(item: dict[str, Any]) -> Trace:
    """Parse one entry of `data`."""
    found = parse(item)
    assert found is not None
    return found
