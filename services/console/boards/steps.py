"""Grafana's arithmetic of steps and windows. Panels show Grafana's numbers because they ask Prometheus its questions.

The rule, of Grafana 11 and 12:

1. The browser divides the window by the width in pixels (or the panel's "max data points"), rounds the result to a
   value of the table below, and never goes below the data source's scrape interval
   (packages/grafana-data/src/datetime/rangeutil.ts: calculateInterval, roundInterval).
2. The Prometheus data source takes that as the step, or the window divided by 11,000 and rounded if that is longer
   (pkg/promlib/models/query.go: calculatePrometheusInterval).
3. Start and end of a range query are rounded down to whole steps (AlignTimeRange, here with UTC's offset of 0: other
   time zones differ for steps longer than their offset's part of an hour only). An instant query is asked at the
   window's very end.
4. $__rate_interval is the greater of step + scrape interval and four scrape intervals (calculateRateInterval);
   $__interval is the step; $__range is the window rounded to seconds (interpolateVariables).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# jsonData.timeInterval of observability/grafana/provisioning/datasources/platform.yaml; a test compares them.
SCRAPE_INTERVAL = 15.0
SAFE_RESOLUTION = 11_000
_SUFFIXES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

# (below, becomes), in milliseconds; values above the last become a year.
_ROUNDED = (
    (10, 1),
    (15, 10),
    (35, 20),
    (75, 50),
    (150, 100),
    (350, 200),
    (750, 500),
    (1_500, 1_000),
    (3_500, 2_000),
    (7_500, 5_000),
    (12_500, 10_000),
    (17_500, 15_000),
    (25_000, 20_000),
    (45_000, 30_000),
    (90_000, 60_000),
    (210_000, 120_000),
    (450_000, 300_000),
    (750_000, 600_000),
    (1_050_000, 900_000),
    (1_500_000, 1_200_000),
    (2_700_000, 1_800_000),
    (5_400_000, 3_600_000),
    (9_000_000, 7_200_000),
    (16_200_000, 10_800_000),
    (32_400_000, 21_600_000),
    (86_400_000, 43_200_000),
    (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000),
    (3_628_800_000, 2_592_000_000),
)
_YEAR_MS = 31_536_000_000


@dataclass(frozen=True)
class Window:
    """A time window divided into steps. All in seconds; ``start`` and ``end`` are as requested, not rounded."""

    start: float
    end: float
    step: float
    rate_interval: float

    @property
    def aligned_start(self) -> float:
        """Return the start of a range query."""
        return align(self.start, self.step)

    @property
    def aligned_end(self) -> float:
        """Return the end of a range query."""
        return align(self.end, self.step)

    @property
    def range_seconds(self) -> int:
        """Return $__range: half a second is rounded up, as in Go's math.Round."""
        return math.floor(self.end - self.start + 0.5)

    def grid(self) -> list[float]:
        """Return the times at which a range query is evaluated."""
        first, last = self.aligned_start, self.aligned_end
        return [first + index * self.step for index in range(round((last - first) / self.step) + 1)]

    def built_in(self) -> dict[str, str]:
        """Return Grafana's own variables for PromQL, by name."""
        return {
            "__interval": duration(self.step),
            "__interval_ms": str(round(self.step * 1000)),
            "__rate_interval": duration(self.rate_interval),
            "__rate_interval_ms": str(round(self.rate_interval * 1000)),
            "__range": f"{self.range_seconds}s",
            "__range_s": str(self.range_seconds),
            "__range_ms": str(round((self.end - self.start) * 1000)),
        }


def window(
    start: float,
    end: float,
    max_data_points: int,
    *,
    min_step: str = "",
    interval_factor: int = 1,
) -> Window:
    """Return the steps for a window drawn on that many pixels. ``min_step`` is the query's own (1m, $__interval)."""
    wanted = seconds_of(min_step)
    # The browser's lower limit is the query's own minimum, if it has one.
    low_limit = wanted or SCRAPE_INTERVAL
    asked = max(round_interval((end - start) / max(max_data_points, 1)), low_limit)
    safe = round_interval((end - start) / SAFE_RESOLUTION)
    step = max(asked, safe) * max(interval_factor, 1)
    return Window(start, end, step, rate_interval(asked, wanted or SCRAPE_INTERVAL))


def for_target(start: float, end: float, max_data_points: int, body: Mapping[str, Any]) -> Window:
    """Return the steps for one query of a panel."""
    return window(
        start,
        end,
        max_data_points,
        min_step=str(body.get("interval") or ""),
        interval_factor=int(body.get("intervalFactor") or 1),
    )


def rate_interval(interval: float, scrape_interval: float = SCRAPE_INTERVAL) -> float:
    """Return $__rate_interval in seconds: a window never contains fewer than four scrapes."""
    return max(interval + scrape_interval, 4 * scrape_interval)


def round_interval(seconds: float) -> float:
    """Round a step to a readable value of Grafana's table."""
    milliseconds = seconds * 1000
    for below, becomes in _ROUNDED:
        if milliseconds < below:
            return becomes / 1000
    return _YEAR_MS / 1000


def align(moment: float, step: float) -> float:
    """Round down to a whole step since the epoch."""
    return math.floor(moment / step) * step


def duration(seconds: float) -> str:
    """Return a PromQL duration: whole seconds where possible, otherwise milliseconds."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def seconds_of(text: str) -> float:
    """Return the seconds of "15s", "1m" or "20" (seconds); 0 for nothing and for Grafana's own variables."""
    text = text.strip().lstrip(">")
    if not text or text.startswith("$"):
        return 0.0
    for suffix in ("ms", "s", "m", "h", "d", "w"):
        number = text.removesuffix(suffix)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * _SUFFIXES[suffix]
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
