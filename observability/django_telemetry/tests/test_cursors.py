"""The library's cursors compared with django-prometheus's own: the same calls give the same counts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection
from django_prometheus.db import common
from django_telemetry._cursors import counting_cursor
from prometheus_client import REGISTRY


class _Cursor:
    """A driver's cursor that fails on configured statements."""

    def execute(self, statement: str, params: Any = None) -> str:
        if statement == "wrong":
            raise ValueError(statement)
        return f"{statement} {params}"

    # Doesn't call execute(), which would be counted as well.
    executemany = execute


def _package_cursor() -> Callable[[type[Any], str, str], type[Any]]:
    """The package's original cursor, from a fresh import: the shared module has been patched."""
    spec = importlib.util.find_spec(common.__name__)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    made: Callable[[type[Any], str, str], type[Any]] = fresh.ExportingCursorWrapper
    return made


def _counted(alias: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All counts of the families for ``alias``; of durations only the number of observations."""
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if k != "alias"))): sample.value
        for family in REGISTRY.collect()
        if family.name.startswith("django_db_")
        for sample in family.samples
        if sample.labels.get("alias") == alias and not sample.name.endswith(("_sum", "_bucket", "_created"))
    }


def _work(cursor: Any) -> list[Any]:
    answers: list[Any] = [
        cursor.execute("one"),
        cursor.execute("two", params=[1]),
        cursor.executemany("three", [1, 2, 3]),
    ]
    for call in (lambda: cursor.execute("wrong"), lambda: cursor.executemany("wrong", [1])):
        with suppress(ValueError):
            answers.append(call())
    with pytest.raises(TypeError):
        cursor.execute()
    return answers


def test_the_cursors_count_what_the_package_counts() -> None:
    theirs: Any = _package_cursor()
    ours: Any = counting_cursor
    assert theirs is not ours
    assert _work(theirs(_Cursor, "theirs", "v")()) == _work(ours(_Cursor, "ours", "v")())
    expected = _counted("theirs")
    assert expected["django_db_execute_total", (("vendor", "v"),)] == 8
    assert _counted("ours") == expected


def test_a_cursor_class_is_created_once() -> None:
    assert counting_cursor(_Cursor, "a", "v") is counting_cursor(_Cursor, "a", "v")
    assert counting_cursor(_Cursor, "a", "v") is not counting_cursor(_Cursor, "b", "v")


@pytest.mark.django_db
def test_the_engine_in_use_creates_the_patched_cursors() -> None:
    with connection.cursor() as cursor:
        made_by = {kind.__module__ for kind in type(cursor.cursor).__mro__}
    assert counting_cursor.__wrapped__.__module__ in made_by, f"the cursor's classes come from {sorted(made_by)}"
