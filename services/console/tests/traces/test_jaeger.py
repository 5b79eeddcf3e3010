"""Answers of Jaeger as typed values."""

from __future__ import annotations

import json

import pytest
from backends import jaeger
from backends.errors import BackendDown
from backends.jaeger import TraceQuery, parse

from tests.traces.conftest import Backends
from tests.traces.samples import START_US, TRACE_ID, order, raw, span, trace


def test_a_trace_knows_where_its_failure_began() -> None:
    found = parse(order())
    assert found is not None
    failing = found.failing_span()
    assert failing is not None
    assert (failing.service, failing.operation) == ("payments", "POST charges")
    assert failing.status == "card-provider: <timeout>"
    assert failing.process == "payments-1"
    assert [event.name for event in failing.events] == ["exception"]
    assert len(found.error_spans) == 3
    assert found.services == {"orders": 3, "users": 1, "payments": 1}
    assert (found.start, found.duration) == (START_US / 1e6, 0.001)


def test_of_two_failures_at_the_same_depth_the_earlier_one_counts() -> None:
    found = trace(span("root"), span("late", "root", start=50, error=True), span("early", "root", start=10, error=True))
    assert found.failing_span() == found.by_id["early"]


def test_a_trace_without_failure_has_no_failing_span() -> None:
    assert trace(span("root")).failing_span() is None


def test_the_root_is_the_earliest_span_whose_caller_is_missing() -> None:
    assert trace(span("child", "missing", start=5), span("root", start=9)).root.span_id == "child"


def test_a_cycle_of_parents_does_not_hang() -> None:
    found = trace(span("a", "b"), span("b", "a", start=1))
    assert set(found.depths.values()) <= {0, 1}
    assert found.root.span_id == "a"


def test_a_span_stored_twice_counts_once() -> None:
    assert len(trace(span("root"), span("root"), span("x", "root")).spans) == 2


def test_a_parent_in_another_trace_is_a_link() -> None:
    elsewhere = {"refType": "CHILD_OF", "traceID": "f" * 32, "spanID": "there"}
    found = trace(span("root", links=[elsewhere])).root
    assert found.parent_id == ""
    assert [(link.trace_id, link.span_id) for link in found.links] == [("f" * 32, "there")]


def test_a_trace_of_a_thousand_levels_is_parsed() -> None:
    chain = [span("s0"), *(span(f"s{depth}", f"s{depth - 1}", start=depth) for depth in range(1, 3000))]
    assert trace(*chain).depths["s2999"] == 2999


def test_a_search_sends_values_as_unescaped_parameters(backends: Backends) -> None:
    backends.answers["/api/traces"] = [order()]
    query = TraceQuery(
        'orders"}&limit=9',
        10.0,
        20.5,
        operation="POST /x",
        tags={"order.id": 'a"b'},
        min_duration=0.25,
        errors_only=True,
        limit=9999,
    )
    found = jaeger.client().search(query)
    assert [one.trace_id for one in found] == [TRACE_ID]
    path, params = backends.asked[0]
    assert path == "/api/traces"
    assert params == {
        "service": 'orders"}&limit=9',
        "start": 10_000_000,
        "end": 20_500_000,
        "limit": jaeger.MOST_TRACES,
        "operation": "POST /x",
        "tags": json.dumps({"order.id": 'a"b', "error": "true"}),
        "minDuration": "250000us",
    }


def test_the_newest_trace_is_first(backends: Backends) -> None:
    backends.answers["/api/traces"] = [
        raw(span("old", trace_id="1" * 32), trace_id="1" * 32),
        raw(span("new", start=5, trace_id="2" * 32), trace_id="2" * 32),
        {"traceID": "3" * 32, "spans": [], "processes": {}},
    ]
    assert [one.trace_id[0] for one in jaeger.client().search(TraceQuery("orders", 0, 1))] == ["2", "1"]


def test_an_unknown_trace_is_none(backends: Backends) -> None:
    assert jaeger.client().trace(TRACE_ID) is None


@pytest.mark.parametrize("wrong", ["", "xyz", TRACE_ID.upper(), TRACE_ID[:-1], f"{TRACE_ID}/../services"])
def test_an_invalid_trace_id_is_not_requested(backends: Backends, wrong: str) -> None:
    with pytest.raises(ValueError, match="no trace id"):
        jaeger.client().trace(wrong)
    assert not backends.asked


def test_an_answer_of_another_format_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaeger, "get_json", lambda *args, **more: ["hello"])
    with pytest.raises(BackendDown, match="not one of Jaeger's API"):
        jaeger.client().services()
