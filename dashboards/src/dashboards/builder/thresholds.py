"""Thresholds of panels. They come from alerts/thresholds.yaml, so that a panel turns red where the alert fires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from catalogue import load

# Read from the file: dashboards and alerts are built independently and don't import each other.
ALERT_THRESHOLDS = Path(__file__).resolve().parents[4] / "alerts" / "thresholds.yaml"


@dataclass(frozen=True)
class Steps:
    """Colours by the value from which they apply. `base` is the colour below the first step."""

    steps: tuple[tuple[float, str], ...] = ()
    base: str = "green"


NONE = Steps((), "text")


@cache
def limits() -> Mapping[str, float]:
    """The alerts' thresholds by name, each in the unit given in thresholds.yaml."""
    entries = yaml.safe_load(ALERT_THRESHOLDS.read_text())["thresholds"]
    return {name: float(entry["value"]) for name, entry in entries.items()}


def limit(name: str) -> float:
    """One of the alerts' thresholds, in its own unit. Raises KeyError with the known names if there is none."""
    known = limits()
    if name not in known:
        raise KeyError(f"{name} is not in {ALERT_THRESHOLDS.name}; known: {', '.join(sorted(known))}")
    return known[name]


def above(name: str, *, factor: float = 1.0, warn: str = "") -> Steps:
    """Red from the threshold `name` upwards, orange from `warn` upwards. `factor` converts to the panel's unit."""
    red = (limit(name) * factor, "red")
    return Steps(((limit(warn) * factor, "orange"), red) if warn else (red,))


def below(name: str, *, factor: float = 1.0) -> Steps:
    """Red below the threshold `name`, green from it upwards. `factor` converts to the panel's unit."""
    return Steps(((limit(name) * factor, "green"),), base="red")


def allowed(name: str) -> Steps:
    """Red from the alert's threshold `name` upwards, orange above what every availability objective allows."""
    objectives = [
        slo.objective for journey in load().journeys.values() for slo in journey.slos if slo.kind == "availability"
    ]
    return Steps(((round(1 - min(objectives), 6), "orange"), (limit(name), "red")))


# Red for any value above zero, as in the alerts on these metrics.
ANY = Steps(((1, "red"),))
# 1 is up, 0 is down.
UP = Steps(((1, "green"),), base="red")
