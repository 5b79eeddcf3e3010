"""A node's charts over a time range: what its callers measure, and its calls to dependencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from backends.prometheus import Prometheus, quote
from shell import links
from shell.timerange import TimeRange

# The number of points across a chart, and the shortest step in seconds: the scrape interval.
POINTS = 240
SMALLEST_STEP = 5.0
MOST_EXEMPLARS = 200
_LATENCY = "django_http_requests_latency_seconds_by_view_method_bucket"
_NO_PROBES = 'view!~"contracts[.]api[.]health.*"'


@dataclass(frozen=True)
class Line:
    """One query, whose series are named by a label or, without one, by `name`."""

    expr: str
    name: str = ""
    label: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines drawn together. `unit`: ops, s or share. `exemplars` selects the histogram whose exemplars are points."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    exemplars: str = ""


def of_service(name: str) -> tuple[Chart, ...]:
    """Return a service's charts: requests by status, their duration, failures and durations of its calls."""
    service = f"service={quote(name)}"
    return (
        Chart(
            "Requests by status",
            "ops",
            (Line(f"sum by (status) (service:http_responses:rate1m{{{service}}})", label="status"),),
        ),
        Chart(
            "Duration",
            "s",
            tuple(Line(f"service:http_duration_seconds:{p}_1m{{{service}}}", name=p) for p in ("p50", "p95", "p99")),
            exemplars=f"{_LATENCY}{{{service}, {_NO_PROBES}}}",
        ),
        Chart(
            "Failed calls to dependencies",
            "share",
            (
                Line(
                    f'sum by (dependency) (edge:calls_by_outcome:ratio_rate1m{{{service}, outcome!="ok"}})'
                    f" or 0 * sum by (dependency) (edge:calls:rate1m{{{service}}})",
                    label="dependency",
                ),
            ),
        ),
        Chart(
            "Duration of calls to dependencies, p95",
            "s",
            (Line(f"max by (dependency) (edge:duration_seconds:p95_1m{{{service}}})", label="dependency"),),
            exemplars=f"dependency_call_duration_seconds_bucket{{{service}}}",
        ),
    )


def of_dependency(name: str) -> tuple[Chart, ...]:
    """Return an external dependency's charts, as measured by its callers."""
    dependency = f"dependency={quote(name)}"
    return (
        Chart(
            "Calls by caller", "ops", (Line(f"sum by (service) (edge:calls:rate1m{{{dependency}}})", label="service"),)
        ),
        Chart(
            "Failed calls by caller",
            "share",
            (
                Line(
                    f'sum by (service) (edge:calls_by_outcome:ratio_rate1m{{{dependency}, outcome!="ok"}})'
                    f" or 0 * sum by (service) (edge:calls:rate1m{{{dependency}}})",
                    label="service",
                ),
            ),
        ),
        Chart(
            "Duration by caller, p95",
            "s",
            (Line(f"max by (service) (edge:duration_seconds:p95_1m{{{dependency}}})", label="service"),),
            exemplars=f"dependency_call_duration_seconds_bucket{{{dependency}}}",
        ),
    )


def draw(prometheus: Prometheus, chart: Chart, timerange: TimeRange) -> dict[str, Any]:
    """Return the chart's data for the page's script: times in milliseconds, values in the chart's unit."""
    step = max(SMALLEST_STEP, timerange.seconds / POINTS)
    # On whole steps, so that a reloaded chart has the same points.
    start = timerange.start - timerange.start % step
    series = []
    for line in chart.lines:
        for found in prometheus.query_range(line.expr, start, timerange.end, step):
            name = found.labels.get(line.label, "") if line.label else line.name
            points = [[round(time * 1000), value] for time, value in found.points if math.isfinite(value)]
            if points:
                series.append({"name": name or line.name or "all", "points": points})
    exemplars = []
    if chart.exemplars:
        for exemplar in prometheus.exemplars(chart.exemplars, timerange.start, timerange.end)[-MOST_EXEMPLARS:]:
            if exemplar.trace_id:
                point = {
                    "time": round(exemplar.time * 1000),
                    "value": exemplar.value,
                    "url": links.trace(exemplar.trace_id),
                }
                exemplars.append(point)
    return {
        "id": "node-chart-" + "".join(character if character.isalnum() else "-" for character in chart.title.lower()),
        "title": chart.title,
        "unit": chart.unit,
        "start": round(timerange.start * 1000),
        "end": round(timerange.end * 1000),
        "series": sorted(series, key=lambda one: str(one["name"])),
        "exemplars": exemplars,
    }
