"""A trace's log lines, each with the span that wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backends import elasticsearch
from backends.elasticsearch import Line

MOST_LINES = 1000
# The clocks of the services differ, and a consumer may write after its span ended.
SLACK_SECONDS = 60.0
_FIELDS = (
    "@timestamp", "message", "log.level", "service.name", "service.node.name", "span.id", "event.id",
    "error.type", "error.message", "http.response.status_code",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TraceLines:
    """Log lines of a trace, oldest first. ``total`` counts all that exist."""

    lines: list[dict[str, Any]]
    total: int


def of_trace(trace_id: str, start_us: int, end_us: int) -> TraceLines:
    """Return the lines with this trace id that were written around that time; each has its ``time`` in µs.

    Raises BackendDown.
    """
    answer = elasticsearch.client().logs(
        {"term": {"trace.id": trace_id}},
        start=start_us / 1e6 - SLACK_SECONDS,
        end=end_us / 1e6 + SLACK_SECONDS,
        size=MOST_LINES,
        sort=elasticsearch.oldest_first(),
        fields=_FIELDS,
    )
    found = [_line(line) for line in elasticsearch.lines(answer)]
    # The store sorts by the millisecond only.
    found.sort(key=lambda line: line["time"])
    return TraceLines(found, elasticsearch.total(answer))


def _line(line: Line) -> dict[str, Any]:
    said = line.text("message")
    failure = ": ".join(text for name in ("error.type", "error.message") if (text := line.text(name)))
    return {
        "id": line.id,
        "time": microseconds(line.text("@timestamp")),
        "level": line.text("log.level"),
        "service": line.text("service.name"),
        "process": line.text("service.node.name"),
        "span_id": line.text("span.id"),
        "message": said[:2000],
        "failure": failure[:500],
    }


def microseconds(timestamp: str) -> int:
    """Return the epoch microseconds of an ISO 8601 time; 0 for an invalid one."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return 0
    return round(moment.timestamp() * 1e6)
