"""Grafana's calculations over one series, for figures and legends. NaN counts as no value, as null does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Reducer = Callable[[list[float]], float]

_REDUCERS: Mapping[str, Reducer] = {
    "firstNotNull": lambda values: values[0],
    "lastNotNull": lambda values: values[-1],
    "min": min,
    "max": max,
    "mean": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "count": lambda values: float(len(values)),
    "range": lambda values: max(values) - min(values),
    "diff": lambda values: values[-1] - values[0],
}
NAMES: Mapping[str, str] = {
    "firstNotNull": "First",
    "lastNotNull": "Last",
    "first": "First",
    "last": "Last",
    "min": "Min",
    "max": "Max",
    "mean": "Mean",
    "sum": "Total",
    "count": "Count",
    "range": "Range",
    "diff": "Difference",
}


def reduce(values: Sequence[Any], name: str) -> float | None:
    """Reduce a series to one number; None if it has no values or the calculation isn't supported."""
    if name in ("first", "last"):
        one = values[0 if name == "first" else -1] if values else None
        return one if _is_number(one) else None
    numbers = [float(value) for value in values if _is_number(value)]
    reducer = _REDUCERS.get(name)
    return reducer(numbers) if reducer and numbers else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
