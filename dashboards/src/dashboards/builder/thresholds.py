"""Thresholds on panels. Numbers come from alerts/thresholds.yaml, so that red means what the alerts mean by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

# Not by importing the alerts' generator: dashboards and alerts are built independently of each other.
ALERT_THRESHOLDS = Path(__file__).resolve().parents[4] / "alerts" / "thresholds.yaml"


@dataclass(frozen=True)
class Steps:
    """From which value on which colour; `base` is the colour below the first."""

    steps: tuple[tuple[float, str], ...] = ()
    base: str = "green"


NONE = Steps((), "text")


@cache
def limits() -> Mapping[str, float]:
    """Every threshold of the alerts by name, each in its own unit."""
    entries = yaml.safe_load(ALERT_THRESHOLDS.read_text())["thresholds"]
    return {name: float(entry["value"]) for name, entry in entries.items()}


def limit(name: str) -> float:
    """One threshold of the alerts, in its own unit. Raises KeyError naming those there are."""
    known = limits()
    if name not in known:
        raise KeyError(f"{name} is not in {ALERT_THRESHOLDS.name}; known: {', '.join(sorted(known))}")
    return known[name]


def above(name: str, *, factor: float = 1.0, warn: str = "") -> Steps:
    """Red from the threshold `name` on, orange from `warn` on. `factor` converts to the panel's unit."""
    red = (limit(name) * factor, "red")
    return Steps(((limit(warn) * factor, "orange"), red) if warn else (red,))


def below(name: str, *, factor: float = 1.0) -> Steps:
    """Red below the threshold, green from it on."""
    return Steps(((limit(name) * factor, "green"),), base="red")


# Anything but nothing is wrong: alerts on these compare with zero.
ANY = Steps(((1, "red"),))
# 1 is up, 0 is down.
UP = Steps(((1, "green"),), base="red")
