"""A circuit breaker for telemetry's own backends: fails fast after failures, and retries with jitter."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0


class CircuitBreaker:
    """Closed until a failure, then open for a pause that doubles with each further failure, up to 15 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._clock() < self._open_until

    def allows(self) -> bool:
        """Whether a request may be sent now."""
        return not self.is_open

    def pause(self) -> float:
        """Seconds until the next try is allowed."""
        return max(0.0, self._open_until - self._clock())

    def failed(self, at_least: float = 0.0) -> None:
        """Record a failure. ``at_least`` is the minimum pause in seconds, from a Retry-After header (at most 60 s)."""
        with self._lock:
            self._failures += 1
            pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            # Jitter, so that many processes don't retry at the same time.
            pause *= random.uniform(0.5, 1.0)  # noqa: S311
            self._open_until = self._clock() + max(pause, min(at_least, 60.0))

    def succeeded(self) -> None:
        """Record a success and close the breaker."""
        with self._lock:
            self._failures = 0
            self._open_until = 0.0


def retry_after(value: str | None) -> float:
    """Seconds from a numeric Retry-After header; 0 for a date, which is rare."""
    return float(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else 0.0
