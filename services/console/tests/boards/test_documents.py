"""The JSON document of each kind of panel."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from backends.errors import BackendDown
from backends.prometheus import Exemplar, Sample, Series
from boards import variables
from boards.definitions import Dashboard, Panel
from boards.documents import document
from boards.interpolation import Value, names
from boards.steps import window
from django.http import QueryDict
from shell.timerange import TimeRange

from tests.boards.conftest import NOW, FakeElasticsearch, FakePrometheus, logs_target, panel, promql_target
from tests.boards.test_definitions import BOARDS

STEPS = window(NOW - 3600, NOW, 600)
EVERY = [pytest.param(board, one, id=f"{board.uid}: {one.title}") for board in BOARDS for one in board.panels]
LABELS = {
    "service": "orders",
    "process": "orders",
    "dependency": "users",
    "le": "0.5",
    "datname": "orders",
    "queue": "notifications.orders",
    "alertname": "EdgeErrors",
}


def show(one: Panel, last_hour: TimeRange, values: dict[str, Value] | None = None) -> dict[str, Any]:
    """Return the document as the browser receives it."""
    made: dict[str, Any] = json.loads(json.dumps(document(one, last_hour, values or {}, 600), allow_nan=False))
    return made


def series(labels: dict[str, str], *values: float) -> Series:
    return Series(labels, [(STEPS.aligned_start + index * 15, value) for index, value in enumerate(values)])


@pytest.mark.parametrize(("board", "one"), EVERY)
def test_every_panel_of_every_dashboard_can_be_shown(
    board: Dashboard, one: Panel, metrics: FakePrometheus, lines: FakeElasticsearch, last_hour: TimeRange
) -> None:
    metrics.labels = {name: [value] for name, value in LABELS.items()}
    metrics.series = [series({**LABELS, "le": bound}, 1.0, math.inf, math.nan) for bound in ("0.5", "1", "+Inf")]
    metrics.samples = [Sample(LABELS, 0.5, NOW)]
    metrics.kept = [Exemplar(LABELS, "ab" * 16, 0.5, NOW - 60)]
    source = {"@timestamp": "2023-11-14T22:10:00Z", "message": "hello", "service.name": "orders", "trace.id": "ab" * 16}
    lines.answer = {"hits": {"hits": [{"_id": "1", "_source": source}]}, "aggregations": _buckets(3)}
    values = variables.values_of(variables.resolve(board, QueryDict(""), last_hour))
    made = show(one, last_hour, values)
    assert made["notes"] == []
    content = made.get("series") or made.get("values") or made.get("rows") or made.get("lines") or made.get("buckets")
    assert content, f"{one.title}: nothing shown of {len(one.targets)} queries"
    for expr in metrics.expressions():
        assert "$__" not in expr
        assert names(expr) == set()


def _buckets(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"time": {"buckets": [{"key": int(NOW * 1000), "doc_count": 1}]}}
    if depth:
        found["terms"] = {"buckets": [{"key": "x", "doc_count": 1, **_buckets(depth - 1)}]}
    return found


def test_lines_have_their_values_figures_and_links(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.series = [series({"service": "orders"}, 1.0, 3.0), series({"service": "users"}, math.inf)]
    one = panel(
        targets=[promql_target(legendFormat="{{service}} p95")],
        options={"legend": {"calcs": ["lastNotNull", "mean", "max"]}, "tooltip": {"sort": "desc"}},
        fieldConfig={
            "defaults": {
                "unit": "s",
                "links": [{"title": "Service", "url": "/d/platform-service?var-service=${__field.labels.service}"}],
                "custom": {"fillOpacity": 8},
            },
            "overrides": [
                {
                    "matcher": {"id": "byRegexp", "options": "users.*"},
                    "properties": [
                        {"id": "custom.lineStyle", "value": {"fill": "dash"}},
                        {"id": "unit", "value": "ops"},
                    ],
                }
            ],
        },
    )
    made = show(one, last_hour)
    orders, users = made["series"]
    assert (orders["name"], orders["values"][:3], orders["calcs"]) == ("orders p95", [1.0, 3.0, None], [3.0, 2.0, 3.0])
    assert orders["links"] == [{"title": "Service", "url": "/d/platform-service?var-service=orders"}]
    assert (orders["config"]["unit"], users["config"]["unit"]) == ("s", "ops")
    assert users["style"] == {"lineStyle": {"fill": "dash"}, "fillOpacity": 8}
    assert users["values"][0] == "+Inf"
    assert made["legend"] == {"show": True, "table": False, "calcs": ["Last", "Mean", "Max"]}
    assert len(made["times"]) == len(orders["values"]) == len(STEPS.grid())
    assert made["times"][0] == STEPS.aligned_start * 1000


def test_a_regular_expression_of_an_override_matches_the_whole_name(
    metrics: FakePrometheus, last_hour: TimeRange
) -> None:
    metrics.samples = [Sample({"n": "a failed"}, 1.0, NOW), Sample({"n": "a failed twice"}, 1.0, NOW)]
    override = {
        "matcher": {"id": "byRegexp", "options": ".* failed"},
        "properties": [{"id": "unit", "value": "percentunit"}],
    }
    one = panel(
        "stat",
        targets=[promql_target(instant=True, legendFormat="{{n}}")],
        fieldConfig={"overrides": [override]},
    )
    first, second = show(one, last_hour)["values"]
    assert first["config"].get("unit") == "percentunit"
    assert second["config"].get("unit") is None


def test_exemplars_open_their_trace(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.kept = [Exemplar({"service": "orders", "span_id": "cd" * 8, "le": "1"}, "ab" * 16, 0.25, NOW - 60)]
    made = show(panel(targets=[promql_target(exemplar=True)]), last_hour)
    (point,) = made["exemplars"]
    assert point["url"] == f"/traces/{'ab' * 16}?span={'cd' * 8}"
    assert (point["time"], point["value"], point["labels"]) == ((NOW - 60) * 1000, 0.25, {"service": "orders"})
    metrics.asked.clear()
    show(panel(targets=[promql_target(exemplar=False)]), last_hour)
    assert [call[0] for call in metrics.asked] == ["query_range"]


def test_a_graph_without_exemplars_is_still_drawn(
    metrics: FakePrometheus, last_hour: TimeRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: Any) -> list[Exemplar]:
        raise BackendDown("prometheus", "no answer within 5 s")

    monkeypatch.setattr(metrics, "exemplars", too_slow)
    metrics.series = [series({}, 1.0)]
    made = show(panel(targets=[promql_target(exemplar=True)]), last_hour)
    assert made["series"][0]["values"][0] == 1.0
    assert made["notes"] == ["Points of single requests are missing. prometheus: no answer within 5 s"]


def test_a_figure_uses_the_configured_calculation(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.series = [series({}, 1.0, 5.0, 3.0)]
    one = panel("stat", targets=[promql_target()], options={"reduceOptions": {"calcs": ["max"]}, "graphMode": "area"})
    (figure,) = show(one, last_hour)["values"]
    assert figure["value"] == 5.0
    assert figure["spark"][:3] == [1.0, 5.0, 3.0]


def test_a_table_has_links_in_cells_and_the_configured_order(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.samples = [Sample({"service": "orders"}, 1.0, NOW), Sample({"service": "a&b"}, 2.0, NOW)]
    link = {"title": "Service", "url": "/d/platform-service?var-service=${__value.text}"}
    override = {
        "matcher": {"id": "byName", "options": "Service"},
        "properties": [{"id": "links", "value": [link]}, {"id": "custom.width", "value": 90}],
    }
    one = panel(
        "table",
        targets=[promql_target(instant=True, format="table")],
        transformations=[
            {"id": "filterFieldsByName", "options": {"include": {"names": ["service", "Value"]}}},
            {"id": "organize", "options": {"renameByName": {"service": "Service", "Value": "Rate"}}},
        ],
        options={"sortBy": [{"displayName": "Rate", "desc": True}]},
        fieldConfig={"overrides": [override]},
    )
    made = show(one, last_hour)
    assert made["rows"] == [["orders", 1.0], ["a&b", 2.0]]
    assert made["links"]["0"][1] == [{"title": "Service", "url": "/d/platform-service?var-service=a%26b"}]
    assert made["sort"] == {"column": 1, "desc": True}
    assert [column["width"] for column in made["columns"]] == [90, None]


def test_a_table_shows_how_many_rows_are_left_out(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.samples = [Sample({"n": str(number)}, 1.0, NOW) for number in range(700)]
    made = show(panel("table", targets=[promql_target(instant=True, format="table")]), last_hour)
    assert (len(made["rows"]), made["more"]) == (500, 200)


def test_adjacent_equal_states_are_one_bar_and_a_gap_ends_it(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.series = [series({}, 1.0, 1.0, 0.0, math.nan, 0.0)]
    (one,) = show(panel("state-timeline", targets=[promql_target()]), last_hour)["series"]
    first = int(STEPS.aligned_start * 1000)
    assert one["states"] == [
        [first, first + 30_000, 1.0],
        [first + 30_000, first + 45_000, 0.0],
        [first + 60_000, first + 75_000, 0.0],
    ]


def test_log_lines_link_to_their_trace_and_surrounding_lines(lines: FakeElasticsearch, last_hour: TimeRange) -> None:
    source = {
        "@timestamp": "2023-11-14T22:10:00Z",
        "message": "<b>failed</b>",
        "log.level": "ERROR",
        "service": {"name": "orders"},
        "trace.id": "ab" * 16,
        "error.type": "Timeout",
    }
    lines.answer = {"hits": {"hits": [{"_id": "1", "_source": source}]}}
    one = panel("logs", targets=[logs_target(metrics=[{"type": "logs", "settings": {"limit": "200"}}])])
    (line,) = show(one, last_hour)["lines"]
    assert (line["level"], line["message"], line["service"]) == ("error", "<b>failed</b>", "orders")
    assert line["fields"] == [["error.type", "Timeout"]]
    assert [link["title"] for link in line["links"]] == ["Trace", "All its lines", "Lines around it"]
    assert line["links"][0]["url"] == f"/traces/{'ab' * 16}"


def test_html_in_a_text_panel_is_escaped(last_hour: TimeRange) -> None:
    content = "# Hi $who\n<script>alert(1)</script> [x](javascript:alert(1))"
    one = panel("text", options={"mode": "markdown", "content": content})
    html = show(one, last_hour, {"who": Value(("you",))})["html"]
    assert "<h1>Hi you</h1>" in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert show(panel("text", options={"mode": "html", "content": "<b>x</b>"}), last_hour)["plain"] == "<b>x</b>"


def test_a_panel_of_an_unknown_kind_is_reported_and_runs_no_query(
    metrics: FakePrometheus, last_hour: TimeRange
) -> None:
    made = show(panel("piechart", targets=[promql_target()]), last_hour)
    assert made["notes"] == ["Panels of type “piechart” are not drawn here."]
    assert metrics.asked == []


def test_an_unavailable_backend_raises_to_the_caller(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.is_down = True
    with pytest.raises(BackendDown):
        show(panel(targets=[promql_target()]), last_hour)


def test_the_width_determines_the_step_within_limits(metrics: FakePrometheus) -> None:
    week = TimeRange.from_params({"from": "now-7d"}, now=NOW)
    found = {width: document(panel(), week, {}, width)["step"] for width in (0, 50, 600, 4000, 10**6)}
    assert found[0] == found[50] == 10_800_000
    assert found[600] == 900_000
    assert found[4000] == found[10**6] == 120_000
    assert document(panel(maxDataPoints=100), week, {}, 600)["step"] == 7_200_000
