"""Searches of log lines: pages, histogram, surrounding lines, and new lines."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends import elasticsearch
from backends.elasticsearch import TIME_FIELD, Line
from shell import noise
from shell.timerange import TimeRange

from logs.query import Query

# A query that names one of these is about the lines that are left out otherwise.
_ABOUT_NOISE = re.compile(r"\btrace\.id\s*:|\bspan\.id\s*:|" + "|".join(noise.PROBE_ROUTES))
PAGE = 200
AROUND = 15
# Live tail: lines arrive out of order, by about a second. Each poll overlaps by this much; the page skips known lines.
TAIL_OVERLAP_SECONDS = 10.0
TAIL_LINES = 500
EXPORT_LINES = 10_000
EXPORT_PAGE = 2_000
MOST_BUCKETS = 90
# Round widths of the histogram's bars, in seconds.
_STEPS = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800, 2592000)
# From the most to the least severe; any other level counts as "other".
LEVELS = ("critical", "error", "warning", "info", "debug")
OTHER = "other"
_EVENT_ID = re.compile(r"[\w\-.:]{1,256}")


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first. ``cursor`` leads to the next page, empty on the last; ``total`` counts all matches."""

    lines: list[Line]
    cursor: tuple[Any, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lines over time. ``times`` are the bars' starts in epoch milliseconds, ``levels`` a count for each bar."""

    times: list[int]
    step: float
    levels: dict[str, list[int]]
    total: int


def hides_noise(text: str) -> bool:
    """Return whether health checks and the lines of observing services are left out for a query by default."""
    return not _ABOUT_NOISE.search(text) and not any(name in text for name in noise.observers())


def without_noise(query: Query) -> Query:
    """Return the query without successful health checks and without lines of services that observe the platform."""
    probes = {"bool": {"should": [{"wildcard": {"http.route": f"*{route}"}} for route in noise.PROBE_ROUTES]}}
    grpc = {"prefix": {"rpc.service": "grpc.health."}}
    failed = {"term": {"event.outcome": "failure"}}
    hidden = [
        {"terms": {"service.name": list(noise.observers())}},
        {"bool": {"filter": [{"bool": {"should": [probes, grpc]}}], "must_not": [failed]}},
    ]
    return replace(query, dsl={"bool": {"filter": [query.dsl] if query.dsl else [], "must_not": hidden}})


def page(query: Query, timerange: TimeRange, after: Sequence[Any] | None = None) -> Page:
    """Return a page of lines of a time range. Raises BackendDown."""
    answer = elasticsearch.client().logs(
        query.dsl, start=timerange.start, end=timerange.end, size=PAGE + 1, search_after=after, total=after is None
    )
    found = elasticsearch.lines(answer)
    cursor = found[PAGE - 1].sort if len(found) > PAGE else ()
    return Page(in_order(found[:PAGE], newest_first=True), cursor, elasticsearch.total(answer))


def histogram(query: Query, timerange: TimeRange) -> Histogram:
    """Count lines over time, by level. Raises BackendDown."""
    step = next((step for step in _STEPS if timerange.seconds / step <= MOST_BUCKETS), _STEPS[-1])
    answer = elasticsearch.client().logs(
        query.dsl,
        start=timerange.start,
        end=timerange.end,
        size=0,
        aggs={
            "time": {
                "date_histogram": {
                    "field": TIME_FIELD,
                    "fixed_interval": f"{round(step * 1000)}ms",
                    "min_doc_count": 0,
                    "extended_bounds": {"min": round(timerange.start * 1000), "max": round(timerange.end * 1000)},
                },
                "aggs": {"level": {"terms": {"field": "log.level", "size": 20}}},
            }
        },
    )
    buckets = answer.get("aggregations", {}).get("time", {}).get("buckets", [])
    counts: dict[str, list[int]] = {}
    for position, bucket in enumerate(buckets):
        rest = bucket["doc_count"]
        for level in bucket["level"]["buckets"]:
            name = level["key"] if level["key"] in LEVELS else OTHER
            counts.setdefault(name, [0] * len(buckets))[position] += level["doc_count"]
            rest -= level["doc_count"]
        if rest:
            counts.setdefault(OTHER, [0] * len(buckets))[position] += rest
    ordered = {name: counts[name] for name in (*LEVELS, OTHER) if name in counts}
    return Histogram([bucket["key"] for bucket in buckets], step, ordered, elasticsearch.total(answer))


def line(line_id: str, moment_ms: int) -> Line | None:
    """Return one line by its id and its time (epoch milliseconds). Raises BackendDown."""
    if not _EVENT_ID.fullmatch(line_id):
        return None
    moment = moment_ms / 1000
    answer = elasticsearch.client().logs(
        {"ids": {"values": [line_id]}}, start=moment - 1, end=moment + 1, size=1, total=False
    )
    found = elasticsearch.lines(answer)
    return found[0] if found else None


def around(middle: Line, moment_ms: int, *, same_process: bool) -> list[Line]:
    """Return the lines around one, oldest first, including it: of its process, or of all. Raises BackendDown."""
    process = middle.text("service.node.name") or middle.text("process.name")
    field = "service.node.name" if middle.text("service.node.name") else "process.name"
    query: dict[str, Any] = {"term": {field: process}} if same_process and process else {}
    moment = moment_ms / 1000
    client = elasticsearch.client()
    hour = 3600.0
    before = client.logs(query, start=moment - hour, end=moment, size=AROUND + 1, total=False)
    after = client.logs(
        query,
        start=moment,
        end=moment + hour,
        size=AROUND + 1,
        sort=elasticsearch.oldest_first(),
        total=False,
    )
    lines = {found.id: found for found in (*elasticsearch.lines(before), middle, *elasticsearch.lines(after))}
    return in_order(list(lines.values()), newest_first=False)


def since(query: Query, moment_ms: int) -> list[Line]:
    """Return lines from shortly before that time (epoch milliseconds) until now, newest first. Raises BackendDown."""
    now = time.time()
    start = max(moment_ms / 1000 - TAIL_OVERLAP_SECONDS, now - 3600)
    answer = elasticsearch.client().logs(query.dsl, start=start, end=now + 60, size=TAIL_LINES, total=False)
    return in_order(elasticsearch.lines(answer), newest_first=True)


def in_order(lines: list[Line], *, newest_first: bool) -> list[Line]:
    """Sort lines by their exact time: the store sorts by the millisecond only."""
    return sorted(lines, key=lambda line: line.text(TIME_FIELD), reverse=newest_first)


def moment_of(line: Line) -> int:
    """Return a line's time, in epoch milliseconds as the store sorts."""
    return int(line.sort[0]) if line.sort and isinstance(line.sort[0], int) else 0


def popular(fields: Mapping[str, str]) -> list[str]:
    """Return fields that are useful as columns, by name."""
    return sorted(name for name, kind in fields.items() if kind not in ("object", "nested"))
