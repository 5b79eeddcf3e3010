"""Annotations: events as lines across graphs."""

from __future__ import annotations

from typing import Any

import pytest
from backends.prometheus import Series
from boards import annotate
from boards.definitions import Annotation, parse
from shell.timerange import TimeRange

from tests.boards.conftest import NOW, FakeElasticsearch, FakePrometheus

ALERTS = {
    "name": "Alerts firing",
    "datasource": {"type": "prometheus"},
    "enable": True,
    "iconColor": "red",
    "expr": 'ALERTS{alertstate="firing"}',
    "step": "30s",
    "titleFormat": "{{alertname}}",
    "textFormat": "{{severity}} {{service}}",
    "tagKeys": "alertname,service",
}


def annotation(**body: Any) -> Annotation:
    (found,) = parse(
        {"uid": "a", "title": "A", "panels": [], "annotations": {"list": [{**ALERTS, **body}]}}
    ).annotations
    return found


def test_samples_a_step_apart_are_one_event_with_an_end(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    start = NOW - 600
    labels = {"alertname": "EdgeErrors", "severity": "page", "service": "orders"}
    metrics.series = [Series(labels, [(start, 1.0), (start + 30, 1.0), (start + 60, 1.0), (start + 300, 1.0)])]
    first, second = annotate.events(annotation(), last_hour, {})
    assert (first.time, first.end, first.title, first.text) == (start, start + 60, "EdgeErrors", "page orders")
    assert (second.time, second.end) == (start + 300, start + 300)
    assert first.tags == ["EdgeErrors", "orders"]


def test_zero_is_not_an_event(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.series = [Series({}, [(NOW - 60, 0.0), (NOW - 30, 1.0)])]
    assert [event.time for event in annotate.events(annotation(), last_hour, {})] == [NOW - 30]


def test_the_value_is_the_time_where_the_dashboard_configures_it(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    started = (NOW - 1000.5) * 1000
    metrics.series = [
        Series({"process": "orders"}, [(NOW - 60, started), (NOW - 30, started), (NOW, started)]),
        Series({"process": "old"}, [(NOW - 60, (NOW - 86_400) * 1000)]),
    ]
    (event,) = annotate.events(annotation(useValueForTime="on", titleFormat="{{process}} started"), last_hour, {})
    assert (event.time, event.end, event.title) == (NOW - 1000.5, NOW - 1000.5, "orders started")


def test_the_query_uses_the_annotations_own_step(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    annotate.events(annotation(), last_hour, {})
    (_, _, start, end, step) = metrics.asked[0]
    assert step == 30
    assert start % 30 == end % 30 == 0


def test_marks_are_log_lines_with_their_text(lines: FakeElasticsearch, last_hour: TimeRange) -> None:
    source = {"@timestamp": "2023-11-14T22:10:00Z", "message": "drill started", "tags": ["drill"]}
    lines.answer = {"hits": {"hits": [{"_id": "1", "_source": source}]}}
    marks = annotation(datasource={"type": "elasticsearch"}, query="event.dataset:marks", textField="message")
    (event,) = annotate.events(marks, last_hour, {})
    assert (event.time, event.title, event.tags) == (NOW - 200, "drill started", ["drill"])


def test_an_event_links_to_what_its_service_did_then(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.series = [Series({"alertname": "X", "service": "orders"}, [(NOW - 600, 1.0)])]
    (event,) = annotate.events(annotation(), last_hour, {})
    urls = [link["url"] for link in event.as_json()["links"]]
    around = f"from={int(NOW - 900) * 1000}&to={int(NOW - 300) * 1000}"
    assert urls[0] == f"/traces?service=orders&{around}"
    assert urls[1].startswith("/logs?query=service.name")
    assert urls[2] == "/services/orders"


@pytest.mark.parametrize("days", [30, 300])
def test_a_long_window_stays_below_the_point_limit_of_prometheus(days: int, metrics: FakePrometheus) -> None:
    annotate.events(annotation(), TimeRange.from_params({"from": f"now-{days}d"}, now=NOW), {})
    (_, _, start, end, step) = metrics.asked[0]
    assert (end - start) / step <= 11_000
