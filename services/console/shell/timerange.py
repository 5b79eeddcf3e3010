"""The time range of a page: Grafana's `from` and `to`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.http import HttpRequest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}
_RELATIVE = re.compile(r"now(?:-(\d{1,6})([smhdwMy]))?")
_EPOCH_MS = re.compile(r"\d{10,14}")
LONGEST = 366 * 86400.0
# Times that every backend accepts, in epoch seconds: 1970 to 2100.
_FIRST, _LAST = 0.0, 4_102_444_800.0

# The options of the time picker: (from, label).
PRESETS = (
    ("now-5m", "last 5 min"),
    ("now-15m", "last 15 min"),
    ("now-30m", "last 30 min"),
    ("now-1h", "last hour"),
    ("now-3h", "last 3 hours"),
    ("now-6h", "last 6 hours"),
    ("now-12h", "last 12 hours"),
    ("now-24h", "last 24 hours"),
    ("now-2d", "last 2 days"),
    ("now-7d", "last 7 days"),
)


@dataclass(frozen=True)
class TimeRange:
    """From `start` to `end` (epoch seconds). `from_` and `to` are as in the URL; `message` reports invalid ones."""

    start: float
    end: float
    from_: str
    to: str
    message: str = field(default="", compare=False)

    @classmethod
    def from_request(cls, request: HttpRequest, default: str = "now-1h") -> TimeRange:
        """Return the range in the URL; default: from `default` until now. Invalid values give it too, and a message."""
        return cls.from_params(request.GET, default)

    @classmethod
    def from_params(cls, params: Mapping[str, str], default: str = "now-1h", now: float | None = None) -> TimeRange:
        """As from_request, from query parameters; `now` in epoch seconds."""
        now = time.time() if now is None else now
        from_, to = params.get("from") or default, params.get("to") or "now"
        start, end = _moment(from_, now), _moment(to, now)
        message = ""
        if start is None or end is None:
            message = "The time in the address can't be read: allowed are now, now-6h and epoch milliseconds."
        elif start >= end:
            message = "The time in the address ends before it begins."
        elif end - start > LONGEST:
            message = "The time in the address is longer than a year."
        if message or start is None or end is None:
            start = _moment(default, now)
            if start is None:
                raise ValueError(f"default {default!r} is no time")
            return cls(start, now, default, "now", message)
        return cls(start, end, from_, to)

    @classmethod
    def around(cls, moment: float, before: float = 900.0, after: float = 900.0) -> TimeRange:
        """Return a fixed range around a time (epoch seconds, 1970 to 2100); `before` and `after` in seconds."""
        moment = min(max(moment, _FIRST + before), _LAST - after)
        return cls.between(moment - before, moment + after)

    @classmethod
    def between(cls, start: float, end: float) -> TimeRange:
        """Return a fixed range, from and to in epoch seconds."""
        return cls(start, end, str(int(start * 1000)), str(int(end * 1000)))

    @property
    def seconds(self) -> float:
        """Return its duration."""
        return self.end - self.start

    @property
    def is_live(self) -> bool:
        """Return whether it ends now and so moves with time."""
        return self.to == "now"

    @property
    def label(self) -> str:
        """Return a label: `last hour`, or both ends in UTC."""
        if self.is_live:
            for value, name in PRESETS:
                if value == self.from_:
                    return name
            if self.from_.startswith("now-"):
                return f"last {self.from_[4:]}"
        first, last = (datetime.fromtimestamp(moment, UTC) for moment in (self.start, self.end))
        end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
        return f"{first:%Y-%m-%d %H:%M:%S} – {end} UTC"

    def query(self) -> str:
        """Return `from=…&to=…`, for a URL."""
        return urlencode({"from": self.from_, "to": self.to})


def _moment(text: str, now: float) -> float | None:
    """Parse now, now-6h, epoch milliseconds or an ISO 8601 time (default UTC) to epoch seconds; None if impossible."""
    moment = _parsed(text, now)
    return moment if moment is not None and _FIRST <= moment <= _LAST else None


def _parsed(text: str, now: float) -> float | None:
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return now - int(relative[1]) * _UNITS[relative[2]] if relative[1] else now
    if _EPOCH_MS.fullmatch(text):
        return int(text) / 1000
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
