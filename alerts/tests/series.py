"""Series for promtool, written as what happens: so many seconds at such a rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STEP = 5


@dataclass(frozen=True)
class Case:
    """One story. `series` is promtool's notation by series; `fires`: at which second how many with `labels` fire.

    The count is of alerts with this name, firing, with these labels; `step` is the seconds between two samples.
    """

    alert: str
    story: str
    series: Mapping[str, str]
    fires: Mapping[int, int]
    labels: Mapping[str, str] = field(default_factory=dict)
    step: int = STEP


def counter(*phases: tuple[float, float], start: float = 0.0, step: int = STEP) -> str:
    """A counter: (seconds, increase per second) for each phase. A negative rate resets it first."""
    value = start
    values = [value]
    for seconds, rate in phases:
        for index in range(int(seconds / step)):
            if rate < 0 and index == 0:
                value = 0.0
            value += abs(rate) * step
            values.append(value)
    return _written(values)


def gauge(*phases: tuple[float, float | str], step: int = STEP) -> str:
    """A gauge: (seconds, value) for each phase; the value "_" is missing, "stale" marks the series as stale."""
    values: list[float | str] = []
    for seconds, value in phases:
        values += [value] * int(seconds / step)
    values.append(phases[-1][1])
    return _written(values)


def ramp(start: float, per_second: float, seconds: float, step: int = STEP) -> str:
    """A gauge that grows steadily."""
    return _written([start + per_second * step * index for index in range(int(seconds / step) + 1)])


def gap(text: str, at: float, seconds: float, step: int = STEP) -> str:
    """The same series with its samples missing for a while."""
    values = text.split()
    first = int(at / step)
    for index in range(first, min(first + int(seconds / step), len(values))):
        values[index] = "_"
    return " ".join(values)


def together(*parts: Mapping[str, str]) -> dict[str, str]:
    """Several stories at once; one series can't be in two of them."""
    found: dict[str, str] = {}
    for part in parts:
        overlap = found.keys() & part.keys()
        if overlap:
            raise ValueError(f"twice: {sorted(overlap)}")
        found |= part
    return found


def _written(values: Sequence[float | str]) -> str:
    return " ".join(value if isinstance(value, str) else f"{value:.10g}" for value in values)
