"""Order, own time and critical path."""

from __future__ import annotations

import itertools
import time

from backends.jaeger import Trace
from traces.document import build
from traces.tree import arrange, critical_path, self_times

from tests.traces.samples import order, parse_raw, span, trace


def path_of(found: Trace) -> list[tuple[str, int, int]]:
    """Return the critical path as (span, from, to) in microseconds from the trace's start."""
    nodes = arrange(found)
    origin = found.spans[0].start_us
    return [
        (nodes[section.index].span.span_id, section.start_us - origin, section.end_us - origin)
        for section in critical_path(nodes)
    ]


def test_each_span_is_listed_below_its_caller_in_order_of_start() -> None:
    nodes = arrange(
        trace(
            span("root"),
            span("second", "root", start=20),
            span("first", "root", start=10),
            span("in", "first", start=11),
        )
    )
    assert [(node.span.span_id, node.depth, node.size) for node in nodes] == [
        ("root", 0, 3),
        ("first", 1, 1),
        ("in", 2, 0),
        ("second", 1, 0),
    ]


def test_a_span_whose_caller_is_missing_is_an_orphan_and_shown() -> None:
    nodes = arrange(trace(span("root"), span("lost", "missing", start=5)))
    assert [(node.span.span_id, node.is_orphan) for node in nodes] == [("root", False), ("lost", True)]


def test_spans_in_a_cycle_are_all_shown_once() -> None:
    nodes = arrange(trace(span("root"), span("a", "b", start=1), span("b", "a", start=2), span("self", "self")))
    assert sorted(node.span.span_id for node in nodes) == ["a", "b", "root", "self"]


def test_own_time_is_the_time_covered_by_no_child() -> None:
    nodes = arrange(
        trace(
            span("root", duration=100),
            span("a", "root", start=10, duration=30),
            span("b", "root", start=20, duration=40),
            span("after", "root", start=90, duration=50),
        )
    )
    own = dict(zip([node.span.span_id for node in nodes], self_times(nodes), strict=True))
    # 10..60 and 90..100 of the root are covered.
    assert own == {"root": 40, "a": 30, "b": 40, "after": 50}


def test_the_critical_path_follows_the_child_that_finished_last() -> None:
    found = trace(
        span("root", duration=100),
        span("quick", "root", start=10, duration=20),
        span("slow", "root", start=10, duration=60),
        span("last", "root", start=70, duration=20),
    )
    assert path_of(found) == [("root", 0, 10), ("slow", 10, 70), ("last", 70, 90), ("root", 90, 100)]


def test_the_critical_path_descends_into_the_awaited_span() -> None:
    found = trace(
        span("root", duration=100),
        span("call", "root", start=10, duration=80),
        span("work", "call", start=20, duration=50),
    )
    assert path_of(found) == [("root", 0, 10), ("call", 10, 20), ("work", 20, 70), ("call", 70, 90), ("root", 90, 100)]


def test_work_that_outlives_its_caller_is_not_waited_for() -> None:
    found = trace(
        span("root", duration=100),
        span("publish", "root", start=80, duration=10),
        span("consume", "publish", start=95, duration=500),
    )
    assert path_of(found) == [("root", 0, 80), ("publish", 80, 90), ("root", 90, 100)]


def test_the_critical_path_covers_the_root_without_gaps_for_any_trace() -> None:
    nodes = arrange(parse_raw(order()))
    sections = critical_path(nodes)
    assert sections[0].start_us == nodes[0].span.start_us
    assert sections[-1].end_us == nodes[0].span.end_us
    assert all(a.end_us == b.start_us for a, b in itertools.pairwise(sections))


def test_spans_without_duration_end_the_search_for_the_critical_path() -> None:
    found = trace(span("root", duration=10), *(span(f"p{n}", "root", start=5, duration=0) for n in range(50)))
    assert path_of(found)[-1] == ("root", 5, 10)


def test_five_thousand_spans_become_a_document_in_well_under_a_second() -> None:
    wide = [span("root", duration=10_000_000)]
    wide += [span(f"s{n}", "root", start=n * 2000, duration=1900, tags={"n": str(n)}) for n in range(2500)]
    wide += [span(f"t{n}", f"s{n}", start=n * 2000 + 5, duration=900) for n in range(2499)]
    found = trace(*wide)
    before = time.perf_counter()
    document = build(found)
    took = time.perf_counter() - before
    assert len(document["columns"]["id"]) == 5000
    assert took < 1, f"expected below 1 s, took {took:.2f} s"


def test_the_document_has_each_text_once_and_times_from_the_start() -> None:
    document = build(parse_raw(order()))
    columns, texts = document["columns"], document["texts"]
    assert len(texts) == len(set(texts))
    assert [texts[number] for number in columns["service"]] == ["orders", "orders", "users", "orders", "payments"]
    assert columns["start"] == [0, 100, 120, 400, 420]
    assert columns["error"] == [0, 3, 4]
    assert document["failing"] == 4
    assert document["duration_us"] == 1000
    pairs = [texts[number] for number in columns["tags"][4]]
    assert dict(zip(pairs[::2], pairs[1::2], strict=True)) == {"http.response.status_code": "503"}
