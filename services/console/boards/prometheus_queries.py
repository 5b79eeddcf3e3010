"""A panel's Prometheus queries, with answers as frames, converted as in Grafana's data source."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.prometheus import Exemplar, Prometheus, Sample, Series

from boards.definitions import Target
from boards.frames import NUMBER, STRING, TIME, TIME_NAME, VALUE_NAME, Field, Frame
from boards.interpolation import Values, promql
from boards.steps import Window

_LEGEND_LABEL = re.compile(r"\{\{\s*(.+?)\s*\}\}")
# More exemplars than this would hide their graph.
_MOST_EXEMPLARS = 150
# Smaller counts are floating-point errors: two adjacent buckets that are equal.
_NO_COUNT = 1e-9


@dataclass(frozen=True)
class Question:
    """A query with its variables filled in, and its window."""

    target: Target
    expr: str
    window: Window


def question(target: Target, window: Window, values: Values) -> Question:
    """Fill in a query."""
    return Question(target, promql(target.expr, values, window.built_in()), window)


def ask(client: Prometheus, asked: Question, tables: int) -> list[Frame]:
    """Run the query and convert the answer. ``tables`` is the panel's number of table queries: names depend on it."""
    target = asked.target
    if target.instant:
        samples = client.query(asked.expr, at=asked.window.end)
        if target.format == "table":
            return [table(target, samples, tables)]
        return [_instant(target, sample) for sample in samples]
    series = client.query_range(asked.expr, asked.window.aligned_start, asked.window.aligned_end, asked.window.step)
    if target.format == "table":
        return [table(target, [_sample(one, point) for one in series for point in one.points], tables)]
    if target.format == "heatmap":
        return [buckets(target, series, asked.window)]
    return [_range(target, one, asked.window) for one in series]


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Return a series' name: `{{label}}` becomes the label's value, or nothing; without a template its labels."""
    if template and template != "__auto":
        return _LEGEND_LABEL.sub(lambda match: labels.get(match[1], ""), template)
    metric = labels.get("__name__", "")
    rest = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{metric}{{{rest}}}" if rest else metric or VALUE_NAME


def table(target: Target, samples: Sequence[Sample], tables: int) -> Frame:
    """Return samples as rows: time, a column per label, value. With several tables it is called `Value #A`."""
    names = list(dict.fromkeys(name for sample in samples for name in sorted(sample.labels)))
    value_name = f"{VALUE_NAME} #{target.ref_id}" if tables > 1 else VALUE_NAME
    return Frame(
        target.ref_id,
        (
            Field(TIME_NAME, TIME, [sample.time for sample in samples]),
            *(Field(name, STRING, [sample.labels.get(name, "") for sample in samples]) for name in names),
            Field(value_name, NUMBER, [number(sample.value) for sample in samples]),
        ),
    )


def buckets(target: Target, series: Sequence[Series], window: Window) -> Frame:
    """A histogram over time: a column for each bucket's upper bound, in order, with its own count instead of all below.

    Prometheus's buckets are cumulative; what is subtracted from one is what the next lower one had.
    """
    grid = window.grid()
    ordered = sorted(series, key=lambda one: _bound(one.labels.get("le", "")))
    cumulative = [on_grid(one.points, window) for one in ordered]
    columns = []
    for index, one in enumerate(ordered):
        below = cumulative[index - 1] if index else [None] * len(grid)
        own = [_difference(upper, lower) for upper, lower in zip(cumulative[index], below, strict=True)]
        columns.append(Field(one.labels.get("le", ""), NUMBER, own, one.labels))
    return Frame(target.ref_id, (Field(TIME_NAME, TIME, grid), *columns))


def exemplars(client: Prometheus, asked: Question) -> list[Exemplar]:
    """Return the exemplars of a range query, in order of time; if there are many, the slowest of each step."""
    start, end = asked.window.aligned_start, asked.window.aligned_end
    found = [
        one
        for one in client.exemplars(asked.expr, start, end)
        if one.trace_id and start <= one.time <= asked.window.end
    ]
    if len(found) <= _MOST_EXEMPLARS:
        return found
    span = max(end - start, 1.0)
    slots = _MOST_EXEMPLARS // 3
    by_slot: dict[int, list[Exemplar]] = {}
    for one in found:
        by_slot.setdefault(int((one.time - start) / span * slots), []).append(one)
    kept = [
        one for slot in by_slot.values() for one in sorted(slot, key=lambda exemplar: exemplar.value, reverse=True)[:3]
    ]
    return sorted(kept, key=lambda exemplar: exemplar.time)


def number(value: float) -> float | None:
    """Return a value as in Grafana: NaN becomes None."""
    return None if math.isnan(value) else value


def on_grid(points: Sequence[tuple[float, float]], window: Window) -> list[float | None]:
    """Return a series' values at every step of the window, None where it has none: its line breaks there."""
    values: list[float | None] = [None] * len(window.grid())
    first = window.aligned_start
    for time, value in points:
        index = round((time - first) / window.step)
        if 0 <= index < len(values):
            values[index] = number(value)
    return values


def _range(target: Target, series: Series, window: Window) -> Frame:
    return Frame(
        target.ref_id,
        (
            Field(TIME_NAME, TIME, window.grid()),
            Field(
                VALUE_NAME,
                NUMBER,
                on_grid(series.points, window),
                series.labels,
                legend(str(target.body.get("legendFormat") or ""), series.labels),
            ),
        ),
    )


def _instant(target: Target, sample: Sample) -> Frame:
    name = legend(str(target.body.get("legendFormat") or ""), sample.labels)
    return Frame(
        target.ref_id,
        (
            Field(TIME_NAME, TIME, [sample.time]),
            Field(VALUE_NAME, NUMBER, [number(sample.value)], sample.labels, name),
        ),
    )


def _sample(series: Series, point: tuple[float, float]) -> Sample:
    return Sample(series.labels, point[1], point[0])


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _difference(upper: Any, lower: Any) -> float | None:
    if upper is None:
        return None
    own = upper - (lower or 0.0)
    return own if own >= _NO_COUNT else 0.0
