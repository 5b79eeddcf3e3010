"""Annotations, drawn as lines across graphs: started processes, alerts, drills.

Answers become events as in Grafana's Prometheus data source: samples at most a step apart are one event with an end,
and with `useValueForTime` the value is the time, in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backends import elasticsearch, prometheus
from backends.elasticsearch import Line
from backends.prometheus import Series
from shell import links as console
from shell.timerange import TimeRange

from boards.definitions import ELASTICSEARCH, PROMETHEUS, Annotation
from boards.elasticsearch_queries import time_of
from boards.interpolation import Values, lucene, promql
from boards.prometheus_queries import legend
from boards.rendering.common import Json, milliseconds
from boards.steps import align, seconds_of, window

_MOST_EVENTS = 200
_MOST_POINTS = 10_000
_DEFAULT_STEP = 60.0
_AROUND_SECONDS = 300.0


@dataclass
class Event:
    """An event; times in epoch seconds. ``service`` is the affected service, if known."""

    time: float
    end: float
    title: str
    text: str = ""
    tags: list[str] = field(default_factory=list)
    service: str = ""

    def as_json(self) -> Json:
        """Return the event for the browser, with links to the service's telemetry around that time."""
        around = TimeRange.between(self.time - _AROUND_SECONDS, max(self.end, self.time) + _AROUND_SECONDS)
        links = [{"title": "Log lines", "url": console.logs(timerange=around)}]
        if self.service:
            links = [
                {"title": f"Traces of {self.service}", "url": console.traces(self.service, timerange=around)},
                {"title": f"Log lines of {self.service}", "url": console.logs_of_service(self.service, around)},
                {"title": f"{self.service} now", "url": console.service(self.service)},
            ]
        return {
            "time": milliseconds(self.time),
            "end": milliseconds(self.end),
            "title": self.title,
            "text": self.text,
            "tags": self.tags,
            "links": links,
        }


def events(annotation: Annotation, timerange: TimeRange, values: Values) -> list[Event]:
    """Return the results of an annotation's query within the window, in order. Raises BackendDown."""
    found: Iterable[Event] = ()
    if annotation.datasource == PROMETHEUS:
        step = seconds_of(str(annotation.body.get("step") or "")) or _DEFAULT_STEP
        # Prometheus rejects more than 11,000 points.
        step = max(step, math.ceil(timerange.seconds / _MOST_POINTS))
        built_in = window(timerange.start, timerange.end, 1).built_in()
        series = prometheus.client().query_range(
            promql(str(annotation.body.get("expr") or ""), values, built_in),
            align(timerange.start, step),
            align(timerange.end, step),
            step,
        )
        found = (event for one in series for event in _of_series(annotation.body, one, step))
    elif annotation.datasource == ELASTICSEARCH:
        found = _of_lines(annotation.body, timerange, values)
    inside = [event for event in found if event.end >= timerange.start and event.time <= timerange.end]
    return sorted(inside, key=lambda event: event.time)[-_MOST_EVENTS:]


def _of_series(body: Mapping[str, object], series: Series, step: float) -> Iterable[Event]:
    by_value = bool(body.get("useValueForTime"))
    tags = str(body.get("tagKeys") or "").replace(" ", "").split(",")
    moments = [
        math.floor(value) / 1000 if by_value else time for time, value in series.points if by_value or value >= 1
    ]
    found: list[Event] = []
    for moment in moments:
        if found and found[-1].end + step >= moment:
            found[-1].end = max(moment, found[-1].end)
            continue
        found.append(
            Event(
                moment,
                moment,
                legend(str(body.get("titleFormat") or ""), series.labels).strip(),
                legend(str(body.get("textFormat") or " "), series.labels).strip(),
                [series.labels[tag] for tag in tags if series.labels.get(tag)],
                series.labels.get("service", ""),
            )
        )
    return found


def _of_lines(body: Mapping[str, object], timerange: TimeRange, values: Values) -> Iterable[Event]:
    query = lucene(str(body.get("query") or "*"), values)
    answer = elasticsearch.client().logs(
        {"query_string": {"query": query, "analyze_wildcard": True}},
        start=timerange.start,
        end=timerange.end,
        size=_MOST_EVENTS,
        total=False,
    )
    return [
        _of_line(line, str(body.get("textField") or "message"), str(body.get("tagsField") or "tags"))
        for line in elasticsearch.lines(answer)
    ]


def _of_line(line: Line, text_field: str, tags_field: str) -> Event:
    moment, tags = time_of(line), line.fields.get(tags_field)
    if not isinstance(tags, list):
        tags = [tags] if tags else []
    return Event(
        moment, moment, line.text(text_field) or "Mark", "", [str(tag) for tag in tags], line.text("service.name")
    )
