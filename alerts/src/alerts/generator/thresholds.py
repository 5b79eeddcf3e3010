"""The typed view of alerts/thresholds.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

PATH = Path(__file__).resolve().parents[3] / "thresholds.yaml"


class ThresholdError(ValueError):
    """An entry of thresholds.yaml is missing or invalid; the message names it."""


@dataclass(frozen=True)
class Threshold:
    """A number that alerts compare with, its unit, and the reason for it."""

    name: str
    value: float
    unit: str
    reason: str


class Thresholds(Mapping[str, str]):
    """Threshold values by name, formatted for an expression. `used` collects the names that were read."""

    def __init__(self, entries: Mapping[str, Threshold]) -> None:
        self.entries = entries
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name not in self.entries:
            raise ThresholdError(f"{name} is used in a rule and isn't in {PATH.name}")
        self.used.add(name)
        value = self.entries[name].value
        return str(int(value)) if value == int(value) else repr(value)

    def bucket(self, name: str) -> str:
        """A threshold in seconds, formatted as a histogram's `le` label."""
        self.used.add(name)
        return repr(float(self.entries[name].value))

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def load(path: Path = PATH) -> Thresholds:
    """Read thresholds.yaml. Raises ThresholdError for an entry without a numeric value, unit or reason."""
    return Thresholds(_entries(path))


@cache
def _entries(path: Path) -> Mapping[str, Threshold]:
    entries = {}
    for name, body in yaml.safe_load(path.read_text())["thresholds"].items():
        if set(body) != {"value", "unit", "reason"} or not isinstance(body["value"], int | float):
            raise ThresholdError(f"{name}: a threshold has a numeric value, a unit and a reason")
        entries[name] = Threshold(name, **body)
    return entries
