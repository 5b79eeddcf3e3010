"""Answers of Prometheus, converted as Grafana converts them."""

from __future__ import annotations

import math

import pytest
from backends.prometheus import Exemplar, Sample, Series
from boards import prometheus_queries as queries
from boards.frames import Frame
from boards.interpolation import Value
from boards.steps import window

from tests.boards.conftest import NOW, FakePrometheus, promql_target, target

# A quarter of an hour in steps of 15 s.
WINDOW = window(NOW - 900, NOW, 600)


def asked(expr: str = "up", **body: object) -> queries.Question:
    return queries.question(target(promql_target(expr, **body)), WINDOW, {"service": Value(("orders",))})


def ask(client: FakePrometheus, question: queries.Question, tables: int = 1) -> list[Frame]:
    return queries.ask(client, question, tables)  # type: ignore[arg-type]


def test_a_range_query_uses_whole_steps_and_an_instant_query_the_end_of_the_window(metrics: FakePrometheus) -> None:
    ask(metrics, asked('rate(x{service=~"$service"}[$__rate_interval])'))
    ask(metrics, asked("x", instant=True, range=False))
    assert metrics.asked == [
        ("query_range", 'rate(x{service=~"orders"}[60s])', WINDOW.aligned_start, WINDOW.aligned_end, 15.0),
        ("query", "x", NOW),
    ]
    assert WINDOW.aligned_end % 15 == 0


def test_a_line_breaks_where_its_series_has_no_sample(metrics: FakePrometheus) -> None:
    first = WINDOW.aligned_start
    metrics.series = [Series({"a": "1"}, [(first, 1.0), (first + 30, math.nan), (first + 45, 4.0)])]
    (frame,) = ask(metrics, asked())
    assert frame.numbers[0].values[:5] == [1.0, None, None, 4.0, None]
    assert len(frame.numbers[0].values) == len(WINDOW.grid()) == 61


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{service}} p95", "orders p95"),
        ("{{ service }}-{{missing}}", "orders-"),
        ("", 'up{job="django", service="orders"}'),
        ("__auto", 'up{job="django", service="orders"}'),
    ],
)
def test_series_are_named_by_their_labels(template: str, name: str) -> None:
    assert queries.legend(template, {"__name__": "up", "service": "orders", "job": "django"}) == name


def test_a_series_without_labels_is_called_value() -> None:
    assert queries.legend("", {}) == "Value"


def test_a_table_has_the_time_a_column_for_each_label_and_the_value() -> None:
    samples = [Sample({"service": "orders"}, 1.5, NOW), Sample({"service": "users", "code": "500"}, 2.5, NOW)]
    one = queries.table(target(promql_target(format="table")), samples, tables=1)
    assert [column.name for column in one.fields] == ["Time", "service", "code", "Value"]
    assert [column.values for column in one.fields[1:]] == [["orders", "users"], ["", "500"], [1.5, 2.5]]
    several = queries.table(target(promql_target(format="table", refId="C")), samples, tables=2)
    assert several.fields[-1].name == "Value #C"


def test_a_heat_map_has_the_buckets_own_counts(metrics: FakePrometheus) -> None:
    at = WINDOW.aligned_start
    metrics.series = [
        Series({"le": "+Inf"}, [(at, 10.0), (at + 15, 30.0)]),
        Series({"le": "0.1"}, [(at, 4.0), (at + 15, 30.0)]),
        Series({"le": "1"}, [(at, 9.0), (at + 15, 30.0 - 1e-12)]),
    ]
    (frame,) = ask(metrics, asked(format="heatmap"))
    assert [column.name for column in frame.numbers] == ["0.1", "1", "+Inf"]
    assert [column.values[:3] for column in frame.numbers] == [[4.0, 30.0, None], [5.0, 0.0, None], [1.0, 0.0, None]]


def test_exemplars_outside_the_window_or_without_trace_are_left_out(metrics: FakePrometheus) -> None:
    inside = Exemplar({}, "a" * 32, 0.5, NOW - 60)
    metrics.kept = [inside, Exemplar({}, "", 0.5, NOW - 60), Exemplar({}, "b" * 32, 0.5, NOW - 9000)]
    assert queries.exemplars(metrics, asked()) == [inside]  # type: ignore[arg-type]


def test_of_many_exemplars_the_slowest_of_each_step_are_kept(metrics: FakePrometheus) -> None:
    metrics.kept = [Exemplar({}, f"{number:032x}", number % 10, NOW - 900 + number * 0.5) for number in range(1700)]
    kept = queries.exemplars(metrics, asked())  # type: ignore[arg-type]
    assert 100 <= len(kept) <= 153
    assert min(one.value for one in kept) >= 8
    assert kept == sorted(kept, key=lambda one: one.time)
