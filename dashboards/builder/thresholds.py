"""Thresholds on panels. Numbers come from alerts/thresholds.yaml, so that red means what the alerts mean by it."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.generator import thresholds as alerts


@dataclass(frozen=True)
class Steps:
    """From which value on which colour; `base` is the colour below the first."""

    steps: tuple[tuple[float, str], ...] = ()
    base: str = "green"


NONE = Steps((), "text")


def limit(name: str) -> float:
    """One threshold of the alerts, in its own unit. Raises KeyError naming those there are."""
    known = alerts.load().entries
    if name not in known:
        raise KeyError(f"{name} is not in {alerts.PATH.name}; known: {', '.join(sorted(known))}")
    return float(known[name].value)


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
