"""Drill descriptors: the YAML files that describe one drill each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
LONGEST_SECONDS = 240.0
# For controls without an injected fault: long enough for an oversensitive rule to fire.
HOUR_SECONDS = 3600.0


class DescriptorError(ValueError):
    """A drill's file is wrong; the message names the file and what is allowed."""


@dataclass(frozen=True)
class Step:
    """One step: an action of `load.drills.actions` and its arguments."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """The expected notification: one of these alerts, with this cause, as a page or a ticket."""

    alerts: tuple[str, ...]
    root: str
    severity: str


@dataclass(frozen=True)
class Drill:
    """One drill. `kind` groups similar faults. `impact` is the journey that users should see affected, or "none".

    Without `expected` it is a control, which must not page. `seconds` is the time limit for noticing a fault, or the
    duration of a control.
    """

    name: str
    title: str
    kind: str
    steps: tuple[Step, ...]
    expected: Expected | None
    impact: str
    seconds: float
    sets: tuple[str, ...]
    # Whether the prober runs during the fault. Off where the fault is the absence of traffic.
    probe: bool = True

    @property
    def is_long(self) -> bool:
        """Whether it is too long for a set of drills: it runs only by its own name or set."""
        return self.seconds > LONGEST_SECONDS

    @property
    def is_control(self) -> bool:
        """Whether no page is expected."""
        return self.expected is None


def load(folder: Path = FOLDER) -> dict[str, Drill]:
    """Read every drill, by name, in the order of the file names. Raises DescriptorError."""
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
