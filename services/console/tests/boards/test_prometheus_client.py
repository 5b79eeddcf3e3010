"""The Prometheus client: requests and parsed answers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import responses
from backends.errors import BackendDown, BackendRejected
from backends.prometheus import Prometheus, quote, regex_quote
from responses import matchers

URL = "http://prometheus.test:9090"


@pytest.fixture
def api() -> Any:
    """Prometheus's HTTP API."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> Prometheus:
    """A client of it."""
    return Prometheus(URL, 2.5)


def answer(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def test_an_instant_query_is_one_moment(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(
        f"{URL}/api/v1/query",
        json=answer(
            {
                "resultType": "vector",
                "result": [
                    {"metric": {"a": "1"}, "value": [10.5, "3"]},
                    {"metric": {"a": "2"}, "value": [10.5, "+Inf"]},
                ],
            }
        ),
        match=[matchers.query_param_matcher({"query": "up", "time": "10.500", "timeout": "2500ms"})],
    )
    first, second = client.query("up", at=10.5)
    assert (first.labels, first.value, first.time) == ({"a": "1"}, 3.0, 10.5)
    assert math.isinf(second.value)


def test_a_scalar_is_a_sample_without_labels(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(f"{URL}/api/v1/query", json=answer({"resultType": "scalar", "result": [1, "7"]}))
    (sample,) = client.query("7")
    assert (sample.labels, sample.value) == ({}, 7.0)


def test_a_range_has_its_points_in_order(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(
        f"{URL}/api/v1/query_range",
        json=answer(
            {"resultType": "matrix", "result": [{"metric": {"a": "1"}, "values": [[0, "1"], [15, "NaN"]]}]},
        ),
        match=[
            matchers.query_param_matcher(
                {"query": "up", "start": "0.000", "end": "30.000", "step": "15", "timeout": "2500ms"}
            )
        ],
    )
    (series,) = client.query_range("up", 0, 30, 15)
    assert series.points[0] == (0.0, 1.0)
    assert math.isnan(series.points[1][1])


def test_exemplars_come_in_order_with_their_trace(api: responses.RequestsMock, client: Prometheus) -> None:
    def kept(trace_id: str, moment: float) -> dict[str, Any]:
        return {"labels": {"trace_id": trace_id, "span_id": "s"}, "value": "0.5", "timestamp": moment}

    api.get(
        f"{URL}/api/v1/query_exemplars",
        json=answer(
            [
                {"seriesLabels": {"service": "orders"}, "exemplars": [kept("later", 20)]},
                {"seriesLabels": {"service": "users"}, "exemplars": [kept("first", 10)]},
            ]
        ),
    )
    first, later = client.exemplars("x", 0, 30)
    assert (first.trace_id, first.labels["service"], first.value, later.trace_id) == ("first", "users", 0.5, "later")


def test_label_values_are_limited_to_the_requested_series(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(
        f"{URL}/api/v1/label/service/values",
        json=answer(["users", "orders"]),
        match=[matchers.query_param_matcher({"match[]": "up", "start": "0.000", "end": "60.000"})],
    )
    assert client.label_values("service", "up", 0, 60) == ["orders", "users"]
    with pytest.raises(ValueError, match="no label name"):
        client.label_values("../rules")


def test_rules_are_typed(api: responses.RequestsMock, client: Prometheus) -> None:
    rule = {
        "name": "EdgeErrors",
        "type": "alerting",
        "query": "x > 1",
        "state": "firing",
        "duration": 60,
        "labels": {"severity": "page"},
        "annotations": {"summary": "s"},
        "health": "ok",
    }
    api.get(f"{URL}/api/v1/rules", json=answer({"groups": [{"name": "edges", "rules": [rule]}]}))
    (found,) = client.rules()
    assert (found.group, found.name, found.kind, found.state, found.hold_seconds) == (
        "edges",
        "EdgeErrors",
        "alerting",
        "firing",
        60.0,
    )


def test_a_rejected_query_is_quoted(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(
        f"{URL}/api/v1/query", status=400, json={"status": "error", "errorType": "bad_data", "error": "parse error"}
    )
    with pytest.raises(BackendRejected, match="parse error"):
        client.query("(")


def test_an_answer_of_another_format_is_a_failure(api: responses.RequestsMock, client: Prometheus) -> None:
    api.get(f"{URL}/api/v1/query", json={"hello": "world"})
    with pytest.raises(BackendDown, match="not one of Prometheus"):
        client.query("up")


def test_literals_are_escaped() -> None:
    assert quote('a"b\\c\n') == r'"a\"b\\c\n"'
    assert regex_quote("a.b", "c|d") == r'"a\\.b|c\\|d"'
