"""The affected journeys, and the share of their error budget that the incident consumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backends import prometheus
from backends.prometheus import Prometheus, quote, regex_quote
from catalogue import Journey, Slo

from incidents.evidence.scene import Scene

# The evaluation interval of the recorded rates, in seconds (alerts/src/alerts/generator/slo.py).
_STEP = 15
_DAY = 86400.0
# Prometheus keeps no more data.
_LONGEST = 3 * _DAY


@dataclass(frozen=True)
class Loss:
    """The loss of one objective. None where there is no data.

    `lost` is the share of the budget of the objective's whole window that the incident consumed, `left` what remains
    over the last three days.
    """

    journey: Journey
    slo: Slo
    events: float | None
    bad: float | None
    lost: float | None
    left: float | None

    @property
    def bad_ratio(self) -> float | None:
        """Return the share of bad events."""
        if self.bad is None or not self.events:
            return None
        return min(self.bad / self.events, 1.0)

    @property
    def left_words(self) -> str:
        """Return the remaining budget as text."""
        if self.left is None:
            return "–"
        return "used up" if self.left <= 0 else f"{self.left * 100:.0f} %"

    @property
    def is_hit(self) -> bool:
        """Return whether more was consumed than the objective allows."""
        ratio = self.bad_ratio
        return ratio is not None and ratio > 1 - self.slo.objective


def losses(scene: Scene) -> list[Loss]:
    """Return the losses of all affected journeys. Raises BackendDown."""
    if not scene.journeys:
        return []
    client = prometheus.client()
    start = max(scene.onset, scene.end - _LONGEST)
    seconds = max(int(scene.end - start), 4 * _STEP)
    which = f"{{journey=~{regex_quote(*(journey.name for journey in scene.journeys))}}}"
    summed = f"sum_over_time({{metric}}{which}[{seconds}s:{_STEP}s]) * {_STEP}"
    events = _figures(client, summed.replace("{metric}", "slo:events:rate1m"), scene.end)
    bad = _figures(client, summed.replace("{metric}", "slo:bad_events:rate1m"), scene.end)
    usual = _figures(client, f"slo:events:rate3d{which}", scene.end)
    left = _figures(client, f"slo:error_budget_left:ratio3d{which}", scene.end)
    found = []
    for journey in scene.journeys:
        for slo in journey.slos:
            key = journey.name, slo.kind
            found.append(
                Loss(
                    journey,
                    slo,
                    events.get(key),
                    # Rates are extrapolated: the difference of two may be slightly below zero.
                    None if key not in bad else max(bad[key], 0.0),
                    _share(bad.get(key), usual.get(key), slo),
                    left.get(key),
                )
            )
    return found


def burning(journeys: tuple[Journey, ...]) -> str:
    """Return the expression for the share of bad events of these journeys, by journey and objective."""
    if len(journeys) == 1:
        return f"slo:bad_events:ratio_rate1m{{journey={quote(journeys[0].name)}}}"
    return f"slo:bad_events:ratio_rate1m{{journey=~{regex_quote(*(journey.name for journey in journeys))}}}"


def _share(bad: float | None, usual_rate: float | None, slo: Slo) -> float | None:
    """Return bad events as a share of those that the objective allows over its whole window."""
    if bad is None or not usual_rate:
        return None
    allowed = (1 - slo.objective) * usual_rate * slo.window_days * _DAY
    return max(bad, 0.0) / allowed if allowed else None


def _figures(client: Prometheus, expr: str, at: float) -> dict[tuple[str, str], float]:
    return {
        (sample.labels.get("journey", ""), sample.labels.get("slo", "")): sample.value
        for sample in client.query(expr, at=at)
        if math.isfinite(sample.value)
    }
