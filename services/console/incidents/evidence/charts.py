"""Charts around the start: calls to the cause, its responses, the journeys."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backends import prometheus
from backends.prometheus import Series, quote

from incidents.evidence import journeys
from incidents.evidence.scene import Scene

_POINTS = 240
_SMALLEST_STEP = 5.0
# More lines than this cannot be told apart.  codespell:ignore told
_MOST_LINES = 12


@dataclass(frozen=True)
class Chart:
    """One chart for the page's script. `unit` is s, share or /s; `marks` are (seconds, label, kind)."""

    id: str
    title: str
    unit: str
    lines: tuple[tuple[str, list[tuple[float, float]]], ...]
    marks: tuple[tuple[float, str, str], ...]
    window: tuple[float, float]
    left_out: int = 0

    def document(self) -> dict[str, Any]:
        """Return the chart for JSON; times in milliseconds, as ECharts expects."""
        return {
            "title": self.title,
            "unit": self.unit,
            "from": round(self.window[0] * 1000),
            "to": round(self.window[1] * 1000),
            "lines": [
                {"name": name, "points": [[round(time * 1000), value] for time, value in points]}
                for name, points in self.lines
            ],
            "marks": [{"at": round(at * 1000), "label": label, "kind": kind} for at, label, kind in self.marks],
        }


def charts(scene: Scene) -> list[Chart]:
    """Return the charts that have data. Raises BackendDown."""
    client = prometheus.client()
    start, end = scene.window
    step = max(_SMALLEST_STEP, (end - start) / _POINTS)
    marks = tuple(_marks(scene))
    found = []
    for index, (title, unit, expr, labels) in enumerate(_questions(scene)):
        series = client.query_range(expr, start, end, step)
        lines = sorted(
            ((_name(one, labels), _finite(one)) for one in series),
            key=lambda line: -max((value for _, value in line[1]), default=0.0),
        )
        # A line at zero adds nothing; as the only line it shows that nothing happened.
        drawn = tuple((name, points) for name, points in lines if any(value for _, value in points)) or tuple(
            line for line in lines[:1] if line[1]
        )
        if drawn:
            left_out = max(0, len(drawn) - _MOST_LINES)
            found.append(Chart(f"chart-{index}", title, unit, drawn[:_MOST_LINES], marks, (start, end), left_out))
    return found


def _questions(scene: Scene) -> Iterable[tuple[str, str, str, tuple[str, ...]]]:
    """Return (title, unit, expression, labels that name a line)."""
    root = scene.root
    if scene.edges:
        which = [(quote(edge.caller), quote(edge.callee)) for edge in scene.edges]
        edges = ("service", "dependency")
        failures = " or ".join(
            f'edge:calls_by_outcome:rate1m{{service={caller}, dependency={callee}, outcome!="ok"}}'
            for caller, callee in which
        )
        slow = " or ".join(
            f"edge:duration_seconds:p95_1m{{service={caller}, dependency={callee}}}" for caller, callee in which
        )
        calls = " or ".join(f"edge:calls:rate1m{{service={caller}, dependency={callee}}}" for caller, callee in which)
        yield "Calls that failed, by outcome", "/s", failures, (*edges, "outcome")
        yield "95 % of calls took less than", "s", slow, edges
        yield "Calls", "/s", calls, edges
    if root in scene.catalogue.services:
        name = quote(root)
        yield f"What {root} answered", "/s", f"service:http_responses:rate1m{{service={name}}}", ("status",)
        yield (
            f"95 % of {root}'s requests took less than",
            "s",
            f"service:http_duration_seconds:p95_1m{{service={name}}}",
            ("service",),
        )
    if queues := sorted({str(alert.labels["queue"]) for alert in scene.alerts if alert.labels.get("queue")}):
        ready = " or ".join(f"queue:messages_ready:sum{{queue={quote(queue)}}}" for queue in queues)
        yield "Messages that wait", "", ready, ("queue",)
    if scene.journeys:
        yield "Bad events of the journeys", "share", journeys.burning(scene.journeys), ("journey", "slo")


def _marks(scene: Scene) -> Iterable[tuple[float, str, str]]:
    yield scene.start, "fires", "crit"
    if scene.is_newest and scene.incident.acknowledged_at is not None:
        yield scene.incident.acknowledged_at.timestamp(), "acknowledged", "warn"
    if scene.episode.ended_at is not None:
        yield scene.end, "over", "ok"


def _name(series: Series, labels: tuple[str, ...]) -> str:
    values = [series.labels.get(label, "") for label in labels]
    if labels[:2] == ("service", "dependency"):
        values = [f"{values[0]} → {values[1]}", *values[2:]]
    return " ".join(value for value in values if value)


def _finite(series: Series) -> list[tuple[float, float]]:
    return [(time, value) for time, value in series.points if math.isfinite(value)]
