"""Builds series in promtool's notation from phases: seconds at a rate or value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STEP = 5


@dataclass(frozen=True)
class Case:
    """A test case of a rule. `series` has the samples in promtool's notation by series, `step` seconds apart.

    `fires` has the expected number of firing alerts with this name and these labels by second.
    """

    alert: str
    story: str
    series: Mapping[str, str]
    fires: Mapping[int, int]
    labels: Mapping[str, str] = field(default_factory=dict)
    step: int = STEP


def counter(*phases: tuple[float, float], start: float = 0.0, step: int = STEP) -> str:
    """A counter with phases of (seconds, increase per second). A negative rate resets it to 0 first."""
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
    """A gauge with phases of (seconds, value). The value "_" is a missing sample, "stale" a stale marker."""
    values: list[float | str] = []
    for seconds, value in phases:
        values += [value] * int(seconds / step)
    values.append(phases[-1][1])
    return _written(values)


def ramp(start: float, per_second: float, seconds: float, step: int = STEP) -> str:
    """A gauge that grows linearly."""
    return _written([start + per_second * step * index for index in range(int(seconds / step) + 1)])


def gap(text: str, at: float, seconds: float, step: int = STEP) -> str:
    """The series without the samples of `seconds` from second `at` on."""
    values = text.split()
    first = int(at / step)
    for index in range(first, min(first + int(seconds / step), len(values))):
        values[index] = "_"
    return " ".join(values)


def together(*parts: Mapping[str, str]) -> dict[str, str]:
    """The series of several parts. Raises ValueError if two parts have the same series."""
    found: dict[str, str] = {}
    for part in parts:
        overlap = found.keys() & part.keys()
        if overlap:
            raise ValueError(f"twice: {sorted(overlap)}")
        found |= part
    return found


def _written(values: Sequence[float | str]) -> str:
    return " ".join(value if isinstance(value, str) else f"{value:.10g}" for value in values)
