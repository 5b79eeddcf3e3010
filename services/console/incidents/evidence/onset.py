"""When a fault began, as measured by the calls and responses that failed. Alerts fire later than that."""

from __future__ import annotations

from collections.abc import Iterable

from backends import prometheus
from backends.errors import BackendDown
from backends.prometheus import Series, quote

from incidents.evidence.scene import Scene

# The evaluation interval of the recorded rates, in seconds (alerts/src/alerts/generator/edges.py).
_STEP = 5.0
# A rate in failures per second this much above its level before is the fault: one failure a minute is 0.017.
_RISE = 0.01


def measure(scene: Scene) -> float:
    """Return the time (epoch seconds) of the last calm measurement before the first failures.

    `scene.onset` if nothing rose, or if Prometheus doesn't answer: an estimate that is never too late.
    """
    expressions = list(_failures(scene))
    if not expressions:
        return scene.onset
    try:
        found = prometheus.client().query_range(f"({' or '.join(expressions)})", scene.onset, scene.start, _STEP)
    except BackendDown:
        return scene.onset
    return min((moment for series in found if (moment := _rise(series, scene.onset)) is not None), default=scene.onset)


def _failures(scene: Scene) -> Iterable[str]:
    for edge in scene.edges:
        which = f"service={quote(edge.caller)}, dependency={quote(edge.callee)}"
        yield f'sum by (service, dependency) (edge:calls_by_outcome:rate1m{{{which}, outcome!="ok"}})'
    if scene.root in scene.catalogue.services:
        yield f'sum by (service) (service:http_responses:rate1m{{service={quote(scene.root)}, status=~"5.."}})'


def _rise(series: Series, begin: float) -> float | None:
    """Return the time of the last value before the first that is above the lowest so far; None if none is."""
    lowest: float | None = None
    before = begin
    for time, value in series.points:
        if lowest is None:
            # A series that begins within the window did so with its first failure.
            lowest = value if time <= begin + _STEP else 0.0
        if value > lowest + _RISE:
            return max(begin, before)
        lowest, before = min(lowest, value), time
    return None
