"""Comparison of two traces."""

from __future__ import annotations

import pytest
from traces import compare as comparing
from traces.compare import compare

from tests.traces.samples import span, trace


def test_the_same_work_is_one_row_and_the_difference_is_where_the_time_was_spent() -> None:
    left = trace(span("r", operation="order", duration=100), span("x", "r", operation="query", start=10, duration=20))
    right = trace(span("q", operation="order", duration=500), span("y", "q", operation="query", start=10, duration=420))
    rows = compare(left, right).rows
    assert [(row.operation, row.depth, row.verdict) for row in rows] == [("order", 0, "both"), ("query", 1, "both")]
    assert rows[0].delta == pytest.approx(400e-6)
    assert rows[0].self_delta == pytest.approx(0)
    assert rows[1].self_delta == pytest.approx(400e-6)
    assert compare(left, right).largest == pytest.approx(400e-6)


def test_work_in_only_one_trace_is_marked() -> None:
    left = trace(span("r", operation="order"), span("x", "r", operation="cache", start=1))
    right = trace(span("r", operation="order"), span("y", "r", operation="query", start=1, error=True))
    rows = compare(left, right).rows
    assert [(row.operation, row.verdict) for row in rows] == [("order", "both"), ("cache", "left"), ("query", "right")]
    assert rows[2].right.errors == 1


def test_repeated_work_is_one_row_with_a_count() -> None:
    left = trace(span("r", operation="order", duration=100), span("x", "r", operation="query", start=10, duration=20))
    right = trace(
        span("r", operation="order", duration=100),
        *(span(f"x{n}", "r", operation="query", start=n * 10, duration=5) for n in range(9)),
    )
    row = compare(left, right).rows[1]
    assert (row.left.count, row.right.count, row.right.duration_us) == (1, 9, 45)


def test_the_same_operation_of_another_service_is_a_separate_row() -> None:
    left = trace(span("r", service="orders", operation="GET"))
    right = trace(span("r", service="users", operation="GET"))
    assert [row.verdict for row in compare(left, right).rows] == ["left", "right"]


def test_rows_beyond_the_limit_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MOST_ROWS", 3)
    found = trace(span("r"), *(span(f"x{n}", "r", operation=f"step {n}", start=n) for n in range(9)))
    difference = compare(found, found)
    assert (len(difference.rows), difference.cut) == (3, True)
