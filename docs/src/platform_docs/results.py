"""Results files, read: drills, benchmark, and what was measured by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from load.drills import score
from load.drills.engine import Result
from platform_docs.repository import DOCS, ROOT

DRILLS = ROOT / "load" / "drills" / "results"
BENCHMARK = ROOT / "observability" / "django_telemetry" / "benchmarks" / "results.json"
PLATFORM = DOCS / "results" / "platform.yaml"
DISTRIBUTIONS = DOCS / "results" / "distributions.yaml"
GOALS = DOCS / "results" / "goals.yaml"


@dataclass(frozen=True)
class State:
    """All drills on one state of the code, oldest first. `figures` are those of `score.figures`."""

    digest: str
    commit: str
    began: datetime
    ended: datetime
    results: Sequence[Result]

    @property
    def figures(self) -> Mapping[str, Any]:
        return score.figures(self.results)

    def is_complete(self, goals: Mapping[str, Any]) -> bool:
        """Whether it has as many kinds of fault and controls as a summary needs."""
        return all(self.figures[name] >= least for name, least in goals["complete"].items())


def drill_states() -> list[State]:
    """Every state that was drilled, oldest first."""
    documents: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(DRILLS.glob("*.json")):
        document = json.loads(path.read_text())
        documents.setdefault(document["digest"], []).append(document)
    return [
        State(
            digest,
            found[-1]["commit"].rstrip("+"),
            datetime.fromisoformat(found[0]["started"]),
            datetime.fromisoformat(found[-1]["written"]),
            score.read(digest, DRILLS),
        )
        for digest, found in documents.items()
    ]


def goals() -> Mapping[str, Any]:
    """The goals of the drills."""
    found: Mapping[str, Any] = yaml.safe_load(GOALS.read_text())
    return found


def complete_state(states: Sequence[State]) -> State:
    """The newest complete state. Raises LookupError without one."""
    wanted = goals()
    for state in reversed(states):
        if state.is_complete(wanted):
            return state
    raise LookupError("no state of the code has enough drills for a summary (docs/results/goals.yaml)")


def benchmark() -> Mapping[str, Any]:
    """The benchmark's last run."""
    found: Mapping[str, Any] = json.loads(BENCHMARK.read_text())
    return found


def platform() -> Mapping[str, Any]:
    """What was measured by hand."""
    found: Mapping[str, Any] = yaml.safe_load(PLATFORM.read_text())
    return found


def distributions() -> Mapping[str, Any]:
    """Code name → what was seen on a new machine of that release."""
    found: Mapping[str, Any] = yaml.safe_load(DISTRIBUTIONS.read_text())
    return found
