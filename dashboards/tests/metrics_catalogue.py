"""The typed view of observability/metrics.yaml and services/<name>/metrics.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = (ROOT / "observability" / "metrics.yaml", *sorted(ROOT.glob("services/[!_]*/metrics.yaml")))
# Labels that Prometheus adds to a sample, and labels that distinguish the parts of a histogram or summary.
TARGET_LABELS = {"job", "instance", "service", "process", "__name__"}
PART_LABELS = {"le", "quantile"}


@dataclass(frozen=True)
class Family:
    """A metric family of the scrape job `job`. `appears` describes when it exists, if it doesn't always."""

    name: str
    job: str
    type: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    appears: str = ""

    def samples(self) -> set[str]:
        """The names of the family's samples."""
        if self.type == "histogram":
            return {f"{self.name}_{part}" for part in ("bucket", "count", "sum")}
        if self.type == "summary":
            return {self.name, f"{self.name}_count", f"{self.name}_sum"}
        return {self.name}


@cache
def load() -> Mapping[str, tuple[Family, ...]]:
    """The families by name; several jobs may have a family of the same name."""
    found: dict[str, tuple[Family, ...]] = {}
    for emitter in (emitter for file in FILES for emitter in yaml.safe_load(file.read_text())["emitters"]):
        for name, body in emitter["families"].items():
            for job in emitter["jobs"]:
                family = Family(
                    name=name,
                    job=job,
                    type=body["type"],
                    unit=body["unit"],
                    labels=tuple(body.get("labels", [])),
                    meaning=body["meaning"],
                    appears=body.get("appears", ""),
                )
                found[name] = (*found.get(name, ()), family)
    return found


def families() -> Iterator[Family]:
    """The families of all jobs."""
    for entries in load().values():
        yield from entries


def samples() -> set[str]:
    """The names of all samples of all families."""
    return {name for family in families() for name in family.samples()}


def covers(pattern: str) -> bool:
    """Whether the name of any sample matches the pattern that a query uses for `__name__`."""
    return any(re.fullmatch(pattern, name) for name in samples())
