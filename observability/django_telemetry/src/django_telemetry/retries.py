"""Retries: few, jittered, and paid from a budget, so that a struggling dependency isn't hit harder. And pauses."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a client tries again. Only what is idempotent is ever retried.

    ``attempts`` counts the first try. The pause before retry n is random between 0 and
    ``min(max_backoff, backoff * 2**n)`` seconds. ``statuses`` are the HTTP answers worth a second try;
    ``timeouts`` says whether a timeout is: after one, whether the work was done is unknown.
    """

    attempts: int = 2
    backoff: float = 0.05
    max_backoff: float = 1.0
    statuses: frozenset[int] = frozenset({502, 503, 504})
    timeouts: bool = True

    def pause(self, retry: int) -> float:
        """Seconds to wait before the retry with this number (0 for the first)."""
        return random.uniform(0, min(self.max_backoff, self.backoff * 2**retry))  # noqa: S311


NO_RETRIES = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class Backoff:
    """Growing pauses between attempts that go on until one succeeds or gives up.

    About ``first`` seconds, then twice as long each time up to ``most``, give or take a quarter: processes that failed
    together don't return together.
    """

    first: float = 1.0
    most: float = 15.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after the attempt with this number has failed (0 for the first)."""
        return random.uniform(0.75, 1.25) * min(self.first * 2 ** min(failures, 30), self.most)  # noqa: S311


class RetryBudget:
    """A token bucket: each call earns a fraction of a retry, each retry costs one. Thread-safe."""

    def __init__(self, ratio: float = 0.1, capacity: float = 10.0) -> None:
        self._ratio = ratio
        self._capacity = capacity
        self._tokens = capacity
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Note a first attempt."""
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Take one retry from the budget; False when it is used up."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
