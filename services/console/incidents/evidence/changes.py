"""Changes around the start: started processes with their version; drills and load runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from backends import elasticsearch, prometheus

from incidents.evidence.scene import Scene

# The data set of time-line marks (load/marks.py).
MARKS = "platform.marks"
BEFORE_SECONDS = 1800.0
_MOST_MARKS = 50


@dataclass(frozen=True)
class Start:
    """A process start. `is_deploy` is true if its service ran another version before."""

    at: float
    service: str
    process: str
    version: str
    is_deploy: bool
    concerns: bool


@dataclass(frozen=True)
class Mark:
    """A drill, a load run, a deployment or a note that a user added to the timeline."""

    at: float
    kind: str
    action: str
    message: str


def window(scene: Scene) -> tuple[float, float]:
    """Return the window from half an hour before the start until the end (or a while after)."""
    return scene.start - BEFORE_SECONDS, scene.window[1]


def starts(scene: Scene) -> list[Start]:
    """Return processes that started in the window, newest first. Raises BackendDown."""
    begin, end = window(scene)
    started = (
        'max by (service, process, version) (process_start_time_seconds{job="django"}'
        " * on (job, instance) group_left (version) service_build_info)"
    )
    seconds = int(end - begin)
    found = prometheus.client().query(f"max_over_time(({started})[{seconds}s:30s])", at=end)
    versions: dict[str, set[str]] = {}
    for sample in found:
        versions.setdefault(sample.labels.get("service", ""), set()).add(sample.labels.get("version", ""))
    concerned = {scene.root, *scene.services}
    return sorted(
        (
            Start(
                at=sample.value,
                service=(service := sample.labels.get("service", "")),
                process=sample.labels.get("process", ""),
                version=sample.labels.get("version", ""),
                is_deploy=len(versions[service]) > 1,
                concerns=service in concerned,
            )
            for sample in found
            if math.isfinite(sample.value) and begin <= sample.value <= end
        ),
        key=lambda start: -start.at,
    )


def marks(scene: Scene) -> list[Mark]:
    """Return marks in the window, newest first. Raises BackendDown."""
    begin, end = window(scene)
    answer = elasticsearch.client().logs(
        {"term": {"event.dataset": MARKS}}, start=begin, end=end, size=_MOST_MARKS, total=False
    )
    found = []
    for line in elasticsearch.lines(answer):
        at = _seconds(line.text("@timestamp"))
        if at is not None:
            found.append(Mark(at, line.text("event.category"), line.text("event.action"), line.text("message")))
    return found


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
