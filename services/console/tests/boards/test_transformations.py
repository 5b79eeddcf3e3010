"""Transformations of tables, and reductions of many values to one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from boards.frames import NUMBER, STRING, Field, Frame
from boards.reducers import reduce
from boards.transformations import apply


def frame(ref_id: str, **columns: list[Any]) -> Frame:
    fields = [
        Field(name, NUMBER if values and isinstance(values[0], int | float) else STRING, values)
        for name, values in columns.items()
    ]
    return Frame(ref_id, tuple(fields))


def rows(found: Frame) -> list[tuple[Any, ...]]:
    return list(zip(*(column.values for column in found.fields), strict=True))


def test_merge_joins_rows_that_agree_in_the_columns_that_all_have() -> None:
    rate = frame("A", service=["orders", "users"], Rate=[1.0, 2.0])
    failed = frame("B", service=["users", "payments"], Failed=[0.5, 0.25])
    (merged,) = apply([rate, failed], [{"id": "merge"}])
    assert [column.name for column in merged.fields] == ["service", "Rate", "Failed"]
    assert rows(merged) == [("orders", 1.0, None), ("users", 2.0, 0.5), ("payments", None, 0.25)]


def test_merge_keeps_conflicting_rows() -> None:
    first = frame("A", service=["orders"], Value=[1.0])
    second = frame("B", service=["orders"], Value=[2.0])
    (merged,) = apply([first, second], [{"id": "merge"}])
    assert rows(merged) == [("orders", 1.0), ("orders", 2.0)]


def test_merge_ignores_an_empty_answer() -> None:
    empty = Frame("B", (Field("Time", NUMBER, []), Field("Value #B", NUMBER, [])))
    full = Frame("A", (Field("Time", NUMBER, [1.0]), Field("service", STRING, ["x"]), Field("Value #A", NUMBER, [2.0])))
    (merged,) = apply([full, empty], [{"id": "merge"}])
    assert rows(merged) == [(1.0, "x", 2.0, None)]


def test_filter_keeps_named_fields() -> None:
    (found,) = apply(
        [frame("A", a=[1], b=[2], c=[3])],
        [{"id": "filterFieldsByName", "options": {"include": {"names": ["c", "a"]}}}],
    )
    assert [column.name for column in found.fields] == ["a", "c"]


def test_organize_orders_renames_and_hides() -> None:
    (found,) = apply(
        [frame("A", a=[1], b=[2], c=[3], d=[4])],
        [
            {
                "id": "organize",
                "options": {
                    "indexByName": {"c": 0, "a": 1},
                    "renameByName": {"c": "Third"},
                    "excludeByName": {"b": True},
                },
            }
        ],
    )
    assert [column.display for column in found.fields] == ["Third", "a", "d"]


def test_a_matrix_has_a_row_for_each_caller_and_a_column_for_each_callee() -> None:
    calls = frame("A", service=["orders", "orders", "users"], dependency=["users", "sql", "sql"], Value=[1.0, 2.0, 3.0])
    (matrix,) = apply(
        [calls],
        [
            {
                "id": "groupingToMatrix",
                "options": {"rowField": "service", "columnField": "dependency", "valueField": "Value"},
            }
        ],
    )
    assert [column.name for column in matrix.fields] == ["service\\dependency", "users", "sql"]
    assert rows(matrix) == [("orders", 1.0, 2.0), ("users", "", 3.0)]


def test_an_unknown_transformation_changes_nothing() -> None:
    frames = [frame("A", a=[1])]
    assert apply(frames, [{"id": "calculateField"}]) == frames


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lastNotNull", 4.0),
        ("firstNotNull", 2.0),
        ("last", None),
        ("first", None),
        ("mean", 3.0),
        ("max", 4.0),
        ("min", 2.0),
        ("sum", 9.0),
        ("count", 3.0),
        ("range", 2.0),
        ("diff", 2.0),
        ("unknown", None),
    ],
)
def test_calculations_ignore_gaps(name: str, expected: float | None) -> None:
    assert reduce([None, 2.0, math.nan, 3.0, 4.0, None], name) == expected


def test_an_empty_series_has_no_figure() -> None:
    assert reduce([], "last") is None
    assert reduce([None, None], "mean") is None
