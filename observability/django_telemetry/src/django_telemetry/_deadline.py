"""A deadline as a value, and the header that propagates it."""

from __future__ import annotations

import time
from dataclasses import dataclass

HEADER = "X-Request-Deadline-Ms"
META_KEY = "HTTP_X_REQUEST_DEADLINE_MS"

_MAX_MILLISECONDS = 3_600_000


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time on this process's monotonic clock. Sent to other processes as the remaining milliseconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.at

    def header_value(self) -> str:
        """The X-Request-Deadline-Ms header: the remaining time in whole milliseconds."""
        return str(int(self.remaining() * 1000))

    def earliest(self, other: Deadline | None) -> Deadline:
        """The earlier of the two."""
        return other if other is not None and other.at < self.at else self


def parse_header(raw: str | None) -> float | None:
    """Seconds from an X-Request-Deadline-Ms value; None when it is missing or isn't a whole number in range."""
    if not raw or len(raw) > 7 or not raw.isascii() or not raw.isdigit():
        return None
    return min(int(raw), _MAX_MILLISECONDS) / 1000
