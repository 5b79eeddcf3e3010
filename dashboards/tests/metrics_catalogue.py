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
# What Prometheus adds to a sample, and the labels by which a histogram's and a summary's parts are told apart.
TARGET_LABELS = {"job", "instance", "service", "process", "__name__"}
PART_LABELS = {"le", "quantile"}


@dataclass(frozen=True)
class Family:
    """A family of metrics. `job` is the scrape job that has it; `appears` says when, where it isn't always there."""

    name: str
    job: str
    type: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    appears: str = ""

    def samples(self) -> set[str]:
        """The names of its samples."""
        if self.type == "histogram":
            return {f"{self.name}_{part}" for part in ("bucket", "count", "sum")}
        if self.type == "summary":
            return {self.name, f"{self.name}_count", f"{self.name}_sum"}
        return {self.name}


@cache
def load() -> Mapping[str, tuple[Family, ...]]:
    """Every family by name; several jobs may have one of the same name."""
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
    """Every family of every job."""
    for entries in load().values():
        yield from entries


def samples() -> set[str]:
    """The names of all samples of all families."""
    return {name for family in families() for name in family.samples()}


def covers(pattern: str) -> bool:
    """Whether some sample's name matches a pattern that stands for `__name__` in a query."""
    return any(re.fullmatch(pattern, name) for name in samples())
