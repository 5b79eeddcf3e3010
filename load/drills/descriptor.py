"""A drill as its file describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
LONGEST_SECONDS = 240.0
# Nothing is injected: long enough for a rule that is too sensitive to show it.
HOUR_SECONDS = 3600.0


class DescriptorError(ValueError):
    """A drill's file is wrong; the message names it and what is allowed."""


@dataclass(frozen=True)
class Step:
    """One thing to do: an action of `load.drills.actions` and its arguments."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """What alerting has to say: one of these alerts, with this cause, as a page or a ticket."""

    alerts: tuple[str, ...]
    root: str
    severity: str


@dataclass(frozen=True)
class Drill:
    """`kind` groups faults that are alike. `impact` is what users are supposed to notice: a journey, or "none".

    Without `expected` it is a control: nobody may be paged. `seconds` is how long a fault is given to be noticed, or
    how long a control lasts.
    """

    name: str
    title: str
    kind: str
    steps: tuple[Step, ...]
    expected: Expected | None
    impact: str
    seconds: float
    sets: tuple[str, ...]
    # Whether the prober goes on during the fault: not where the fault is that nobody comes.
    probe: bool = True

    @property
    def is_long(self) -> bool:
        """Whether it takes longer than a drill among many may: it is run by its own name or set only."""
        return self.seconds > LONGEST_SECONDS

    @property
    def is_control(self) -> bool:
        """Whether it must stay quiet."""
        return self.expected is None


def load(folder: Path = FOLDER) -> dict[str, Drill]:
    """Every drill by name, in the order of their files' names. Raises DescriptorError."""
    return {path.stem: _drill(path) for path in sorted(folder.glob("*.yaml"))}


def _drill(path: Path) -> Drill:
    body = yaml.safe_load(path.read_text())
    missing = {"title", "kind", "steps", "impact"} - set(body)
    unknown = set(body) - {"title", "kind", "steps", "impact", "expect", "seconds", "sets", "probe"}
    if missing or unknown:
        raise DescriptorError(f"{path.name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    seconds = float(body.get("seconds", 120))
    longest = LONGEST_SECONDS if body["steps"] else HOUR_SECONDS
    if not 0 < seconds <= longest:
        raise DescriptorError(f"{path.name}: seconds is {seconds:g}; allowed: up to {longest:g}")
    steps = tuple(
        Step(entry["do"], {key: value for key, value in entry.items() if key != "do"}) for entry in body["steps"]
    )
    return Drill(
        name=path.stem,
        title=body["title"],
        kind=body["kind"],
        steps=steps,
        expected=_expected(path, body.get("expect")),
        impact=body["impact"],
        seconds=seconds,
        sets=tuple(body.get("sets", ())),
        probe=bool(body.get("probe", True)),
    )


def _expected(path: Path, body: Mapping[str, Any] | None) -> Expected | None:
    if body is None:
        return None
    severity = body.get("severity", "page")
    if severity not in ("page", "ticket"):
        raise DescriptorError(f"{path.name}: severity is {severity!r}; allowed: page, ticket")
    return Expected(tuple(body["alerts"]), body["root"], severity)
