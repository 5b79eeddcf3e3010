"""Log patterns that are new or increased when the fault began."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends import elasticsearch
from backends.elasticsearch import Elasticsearch, Line
from shell.links import escape_term

from incidents.evidence import patterns
from incidents.evidence.changes import MARKS
from incidents.evidence.scene import Scene

SECONDS = 600.0
# The number of lines read before and after the onset; further lines are only counted.
MOST_LINES = 3000
MOST_PATTERNS = 12
_FIELDS = (
    "message",
    "service",
    "service.name",
    "log",
    "log.level",
    "log.logger",
    "error",
    "error.type",
    "trace",
    "trace.id",
    "event",
    "event.dataset",
    "@timestamp",
)
_SHORTEST_WORDS = 6
# The required increase of a pattern: normal lines increase with the traffic.
_FACTOR_SEVERE, _FACTOR = 2.0, 4.0
_ACCESS = "access"
_SEVERE = ("error", "critical", "fatal", "warning")


@dataclass(frozen=True)
class Grown:
    """A pattern that is new or increased, with one of its lines."""

    service: str
    level: str
    template: str
    before: int
    after: int
    is_new: bool
    example: Line

    @property
    def is_severe(self) -> bool:
        """Return whether its level is warning or worse, or it reports a failed request."""
        return _is_severe(self.example)

    @property
    def trace_id(self) -> str:
        """The trace of the example; empty for a line without one."""
        return self.example.text("trace.id")

    @property
    def query(self) -> str:
        """Return a search for its lines: the service, the level, and the longest constant part of the text."""
        terms = [
            f'{name}:"{escape_term(value)}"'
            for name, value in (("service.name", self.service), ("log.level", self.level))
            if value
        ]
        words = max(re.split(r"<[^>]*>|[\[\]]", self.template), key=len).strip()
        if len(words) >= _SHORTEST_WORDS:
            terms.append(f'message:"{escape_term(words)}"')
        return " and ".join(terms)


@dataclass(frozen=True)
class Comparison:
    """Log patterns before and after the onset. `left_out` counts matching lines that were not read."""

    patterns: tuple[Grown, ...]
    more: int
    before_seconds: float
    after_seconds: float
    looked_at: int
    left_out: int


def compare(scene: Scene) -> Comparison:
    """Compare the patterns of the ten minutes after the onset with the ten minutes before. Raises BackendDown."""
    client = elasticsearch.client()
    onset = scene.onset
    after_seconds = max(60.0, min(SECONDS, max(scene.end, scene.start) - onset))
    query = _query(scene)
    before, left_before = _lines(client, query, onset - SECONDS, onset, elasticsearch.newest_first())
    after, left_after = _lines(client, query, onset, onset + after_seconds, elasticsearch.oldest_first())
    # Beyond the limit only the lines nearest to the onset are read: they cover less time.
    before_seconds = _covered(before, onset) if left_before else SECONDS
    after_seconds = _covered(after, onset) if left_after else after_seconds
    lines = [*before, *after]
    texts = [
        patterns.Text((line.text("service.name"), line.text("log.level")), _text(line), index >= len(before))
        for index, line in enumerate(lines)
    ]
    grown = []
    for pattern in patterns.find(texts):
        line = lines[pattern.example]
        factor = _FACTOR_SEVERE if _is_severe(line) else _FACTOR
        if pattern.is_new or pattern.grew(before_seconds, after_seconds, factor):
            grown.append(
                Grown(
                    line.text("service.name"),
                    line.text("log.level"),
                    pattern.template,
                    pattern.before,
                    pattern.after,
                    pattern.is_new,
                    line,
                )
            )
    grown.sort(key=lambda found: (not found.is_severe, not found.is_new, -found.after))
    return Comparison(
        tuple(grown[:MOST_PATTERNS]),
        max(0, len(grown) - MOST_PATTERNS),
        before_seconds,
        after_seconds,
        len(lines),
        left_before + left_after,
    )


def _query(scene: Scene) -> dict[str, Any]:
    """Return the query for all lines of the affected services, except successful requests, which the charts cover."""
    went_well = {
        "bool": {
            "filter": [
                {"term": {"event.dataset": _ACCESS}},
                {"term": {"event.outcome": "success"}},
            ]
        }
    }
    query: dict[str, Any] = {"bool": {"must_not": [went_well, {"term": {"event.dataset": MARKS}}]}}
    if scene.services:
        query["bool"]["filter"] = [{"terms": {"service.name": list(scene.services)}}]
    return query


def _lines(
    client: Elasticsearch, query: Mapping[str, Any], start: float, end: float, sort: list[dict[str, Any]]
) -> tuple[list[Line], int]:
    answer = client.logs(query, start=start, end=end, size=MOST_LINES, sort=sort, fields=_FIELDS)
    lines = elasticsearch.lines(answer)
    return lines, max(0, elasticsearch.total(answer) - len(lines))


def _covered(lines: list[Line], onset: float) -> float:
    """Return the seconds from the onset to the line that is farthest from it."""
    return max((abs(float(line.sort[0]) / 1000 - onset) for line in lines if line.sort), default=1.0)


def _is_severe(line: Line) -> bool:
    # The query selects only failed requests of the access log.
    return line.text("log.level") in _SEVERE or line.text("event.dataset") == _ACCESS


def _text(line: Line) -> str:
    """Return the message, with the type of its exception."""
    error = line.text("error.type")
    message = line.text("message")
    return f"{message} [{error}]" if error and error not in message else message
