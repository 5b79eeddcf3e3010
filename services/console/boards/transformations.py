"""Grafana's transformations of tables, as packages/grafana-data/src/transformations/transformers defines them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from boards.frames import STRING, Field, Frame

_EMPTY_VALUES: Mapping[str, Any] = {"empty": "", "null": None, "false": False, "true": True, "zero": 0}


def apply(frames: list[Frame], transformations: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Apply all of a panel's transformations in order. Unsupported ones are skipped: the panel reports them."""
    for item in transformations:
        transform = _KNOWN.get(str(item["id"]))
        if transform:
            frames = transform(frames, item.get("options") or {})
    return frames


def merge(frames: list[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """One table of several: rows that agree in every column that all tables have become one row."""
    filled = [frame for frame in frames if frame.fields]
    if len(frames) <= 1 or not filled:
        return frames[:1]
    columns: dict[str, Field] = {}
    for frame in filled:
        for column in frame.fields:
            columns.setdefault(column.name, replace(column, values=[], labels={}, legend=""))
    keys = [name for name in columns if all(any(one.name == name for one in frame.fields) for frame in filled)]
    if not keys:
        return frames
    rows: list[dict[str, Any]] = []
    by_key: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for frame in filled:
        for index in range(len(frame)):
            row = {column.name: column.values[index] for column in frame.fields}
            same_key = by_key.setdefault(tuple(row[name] for name in keys), [])
            mergeable = [existing for existing in same_key if _agree(existing, row)]
            for existing in mergeable:
                existing.update(row)
            if not mergeable:
                same_key.append(row)
                rows.append(row)
    merged = tuple(replace(column, values=[row.get(name) for row in rows]) for name, column in columns.items())
    return [Frame(filled[0].ref_id, merged)]


def _agree(existing: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(existing.get(name) is None or existing[name] == value for name, value in row.items())


def filter_fields_by_name(frames: list[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """Keep the columns that `include` names, drop those that `exclude` does; by name or by a regular expression."""
    include, exclude = _names(options.get("include")), _names(options.get("exclude"))

    def stays(column: Field) -> bool:
        if include and not include(column):
            return False
        return not (exclude and exclude(column))

    kept = [frame.with_fields(tuple(column for column in frame.fields if stays(column))) for frame in frames]
    return [frame for frame in kept if frame.fields]


def _names(option: Mapping[str, Any] | None) -> Callable[[Field], bool] | None:
    if not option or not (option.get("names") or option.get("pattern")):
        return None
    names = set(option.get("names") or ())
    pattern = re.compile(str(option["pattern"]).strip("/")) if option.get("pattern") else None
    return lambda column: (
        column.display in names or column.name in names or bool(pattern and pattern.search(column.display))
    )


def organize(frames: list[Frame], options: Mapping[str, Any]) -> list[Frame]:
    """Hide, order and rename columns. As in Grafana, for a single table only."""
    if len(frames) != 1:
        return frames
    excluded = {name for name, out in (options.get("excludeByName") or {}).items() if out}
    order: Mapping[str, int] = options.get("indexByName") or {}
    renamed: Mapping[str, str] = options.get("renameByName") or {}
    kept = [column for column in frames[0].fields if column.name not in excluded]
    if order:
        # Columns without a position follow in their original order.
        kept.sort(key=lambda column: order.get(column.name, len(order)))
    return [
        frames[0].with_fields(
            tuple(replace(column, legend=renamed.get(column.name) or column.legend) for column in kept)
        )
    ]


def grouping_to_matrix(frames: list[Frame], options: Mapping[str, Any]) -> list[Frame]:
    r"""A matrix of one table: a row for each value of one column, a column for each value of another.

    The first column is called `row\column`, as in Grafana. A table without these columns stays as it is.
    """
    if len(frames) != 1:
        return frames
    row_name = str(options.get("rowField") or "Time")
    column_name = str(options.get("columnField") or "Time")
    rows, columns = frames[0].named(row_name), frames[0].named(column_name)
    values = frames[0].named(str(options.get("valueField") or "Value"))
    if rows is None or columns is None or values is None:
        return frames
    empty = _EMPTY_VALUES.get(str(options.get("emptyValue") or "empty"), "")
    cells = dict(zip(zip(columns.values, rows.values, strict=True), values.values, strict=True))
    row_values, column_values = list(dict.fromkeys(rows.values)), list(dict.fromkeys(columns.values))
    matrix = [Field(f"{row_name}\\{column_name}", STRING, row_values)]
    for heading in column_values:
        found = (cells.get((heading, row)) for row in row_values)
        matrix.append(Field(str(heading), values.kind, [empty if value is None else value for value in found]))
    return [Frame(frames[0].ref_id, tuple(matrix))]


_KNOWN: Mapping[str, Callable[[list[Frame], Mapping[str, Any]], list[Frame]]] = {
    "merge": merge,
    "filterFieldsByName": filter_fields_by_name,
    "organize": organize,
    "groupingToMatrix": grouping_to_matrix,
}
