"""The switch: decides whether the last heartbeat was too long ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

Change = Literal["silent", "recovered"]


class Switch:
    """Thread-safe. The start counts as a heartbeat, so that a restart doesn't raise an alarm."""

    def __init__(self, silence: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence = silence
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()
        self._silent = False

    @property
    def age(self) -> float:
        """Seconds since the last heartbeat."""
        return self._clock() - self._last

    @property
    def is_silent(self) -> bool:
        """Whether the alarm is raised."""
        return self._silent

    def heartbeat(self) -> Change | None:
        """Record a heartbeat; returns "recovered" if it ends a silence."""
        with self._lock:
            self._last = self._clock()
            if not self._silent:
                return None
            self._silent = False
            return "recovered"

    def stopped(self) -> Change | None:
        """Record that alerting itself reports the end of the heartbeat: no need to wait for the timeout."""
        with self._lock:
            self._last = min(self._last, self._clock() - self._silence)
        return self.check()

    def check(self) -> Change | None:
        """Check the clock; returns "silent" if the silence has just exceeded the limit."""
        with self._lock:
            if self._silent or self._clock() - self._last < self._silence:
                return None
            self._silent = True
            return "silent"
