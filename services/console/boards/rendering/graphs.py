"""Graphs over time: lines, heat maps, states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.prometheus import Exemplar
from shell import links as console

from boards.fieldconfig import config_of, for_browser
from boards.frames import Frame
from boards.reducers import NAMES, reduce
from boards.rendering.common import Answers, Json, described, finite, milliseconds, shown

_SENT_STYLES = (
    "drawStyle",
    "lineWidth",
    "lineStyle",
    "lineInterpolation",
    "fillOpacity",
    "stacking",
    "spanNulls",
    "showPoints",
)


def timeseries(answers: Answers) -> Json:
    """Render lines over time. All series share `times`; a missing value is null and breaks the line."""
    columns = shown(answers)
    times = _all_times(answers.frames)
    places = {time: index for index, time in enumerate(times)}
    legend = answers.panel.options.get("legend") or {}
    calculations = [name for name in legend.get("calcs") or () if name in NAMES]
    series = []
    for one in columns:
        values: list[Any] = [None] * len(times)
        for time, value in zip(one.frame.times, one.column.values, strict=True):
            values[places[time]] = finite(value)
        custom = one.config["custom"]
        series.append(
            {
                **described(one, answers.scope),
                "values": values,
                "style": {name: custom[name] for name in _SENT_STYLES if name in custom},
                "calcs": [finite(reduce(one.column.values, name)) for name in calculations],
            }
        )
    custom = answers.panel.defaults.get("custom") or {}
    return {
        "times": [milliseconds(time) for time in times],
        "series": series,
        "legend": {
            "show": legend.get("showLegend", True) is not False,
            "table": legend.get("displayMode") == "table",
            "calcs": [NAMES[name] for name in calculations],
        },
        "tooltip": (answers.panel.options.get("tooltip") or {}).get("sort", "none"),
        "scale": (custom.get("scaleDistribution") or {}).get("type", "linear"),
        "thresholds_style": (custom.get("thresholdsStyle") or {}).get("mode", "off"),
        "exemplars": exemplars(answers.exemplars),
    }


def heatmap(answers: Answers) -> Json:
    """Render counts by bucket over time. `buckets` are upper bounds in order; `counts` has a list for each."""
    panel = answers.panel
    frame = answers.frames[0] if answers.frames else Frame("A", ())
    columns = frame.numbers
    config = for_browser(config_of(panel, frame, columns[0])) if columns else {}
    config["unit"] = (panel.options.get("yAxis") or {}).get("unit") or config.get("unit", "short")
    return {
        "times": [milliseconds(time) for time in frame.times],
        "buckets": [column.name for column in columns],
        "counts": [[finite(value) for value in column.values] for column in columns],
        "config": config,
        "exemplars": exemplars(answers.exemplars),
    }


def state_timeline(answers: Answers) -> Json:
    """Render the states of each series: `states` are [from, to, value]; adjacent equal values are merged."""
    step, end = answers.window.step, answers.window.end
    return {
        "series": [
            {**described(one, answers.scope), "states": _states(one.frame.times, one.column.values, step, end)}
            for one in shown(answers)
        ]
    }


def exemplars(found: Sequence[Exemplar]) -> list[Json]:
    """Return exemplars, each with the URL of its trace."""
    return [
        {
            "time": milliseconds(one.time),
            "value": finite(one.value),
            "trace": one.trace_id,
            "url": console.trace(one.trace_id, one.labels.get("span_id", "")),
            "labels": {
                name: value
                for name, value in one.labels.items()
                if name in ("service", "dependency", "view", "operation", "method", "outcome", "queue")
            },
        }
        for one in found
    ]


def _all_times(frames: Sequence[Frame]) -> list[float]:
    """Return the times of all series. They agree within a panel unless a query has a step of its own."""
    if not frames:
        return []
    first = frames[0].times
    if all(frame.times == first for frame in frames):
        return first
    return sorted({time for frame in frames for time in frame.times})


def _states(times: Sequence[float], values: Sequence[Any], step: float, end: float) -> list[list[Any]]:
    states: list[list[Any]] = []
    for time, value in zip(times, values, strict=True):
        if value is None:
            continue
        start, until = milliseconds(time), milliseconds(min(time + step, end))
        if states and states[-1][2] == value and states[-1][1] >= start:
            states[-1][1] = until
        elif until > start:
            states.append([start, until, finite(value)])
    return states
