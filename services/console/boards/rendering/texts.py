"""Log lines and texts."""

from __future__ import annotations

from collections.abc import Sequence

from backends.elasticsearch import Line
from markdown_it import MarkdownIt
from shell import links as console
from shell.timerange import TimeRange

from boards.definitions import Panel
from boards.elasticsearch_queries import time_of
from boards.rendering.common import Json, milliseconds

# The heading of a line already names these.
_HEAD = frozenset({"@timestamp", "message", "log.level", "service.name", "trace.id"})
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def logs(panel: Panel, lines: Sequence[Line]) -> Json:
    """Render lines with level, message and fields; each links to its trace and to its surrounding lines."""
    ordered = reversed(lines) if panel.options.get("sortOrder") == "Ascending" else lines
    return {"lines": [_line(line) for line in ordered], "wrap": bool(panel.options.get("wrapLogMessage"))}


def text(panel: Panel, filled: str) -> Json:
    """Render a text. Markdown becomes HTML, with any HTML in it escaped; other text is displayed unchanged."""
    if panel.options.get("mode") in (None, "markdown"):
        return {"html": _MARKDOWN.render(filled)}
    return {"plain": filled}


def _line(line: Line) -> Json:
    moment, trace_id, service = time_of(line), line.text("trace.id"), line.text("service.name")
    around = TimeRange.around(moment, 300.0, 300.0)
    found: Json = {
        "time": milliseconds(moment),
        "level": line.text("log.level").lower(),
        "message": line.text("message"),
        "service": service,
        "fields": sorted([name, line.text(name)] for name in line.fields if name not in _HEAD),
        "links": [{"title": "Lines around it", "url": console.logs_of_service(service, around)}] if service else [],
    }
    if trace_id:
        found["trace"] = trace_id
        found["links"].insert(0, {"title": "Trace", "url": console.trace(trace_id, line.text("span.id"))})
        found["links"].insert(1, {"title": "All its lines", "url": console.logs_of_trace(trace_id, around)})
    return found
