"""A circuit breaker for telemetry's own backends: after failures it says no at once, and tries again with jitter."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0


class CircuitBreaker:
    """Closed until a failure; then open for a pause that doubles with each further failure, up to 15 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._clock() < self._open_until

    def allows(self) -> bool:
        """Whether to try now."""
        return not self.is_open

    def pause(self) -> float:
        """Seconds until the next try is allowed."""
        return max(0.0, self._open_until - self._clock())

    def failed(self, at_least: float = 0.0) -> None:
        """Note a failure; ``at_least`` seconds of pause come from a Retry-After."""
        with self._lock:
            self._failures += 1
            pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            # Jitter, so that a fleet of processes doesn't come back in step.
            pause *= random.uniform(0.5, 1.0)  # noqa: S311
            self._open_until = self._clock() + max(pause, min(at_least, 60.0))

    def succeeded(self) -> None:
        """Note a success: closed again."""
        with self._lock:
            self._failures = 0
            self._open_until = 0.0


def retry_after(value: str | None) -> float:
    """Seconds from a Retry-After header given as a number; dates are rare and count as none."""
    return float(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else 0.0
