"""Retries: few, jittered and limited by a budget, so that they don't overload a degraded dependency. Also pauses."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A client's retry policy. Only idempotent calls are ever retried.

    ``attempts`` includes the first. The pause before retry n is random between 0 and
    ``min(max_backoff, backoff * 2**n)`` seconds. ``statuses`` are the HTTP statuses to retry. ``timeouts`` enables
    retries after a timeout, when it is unknown whether the work was done.
    """

    attempts: int = 2
    backoff: float = 0.05
    max_backoff: float = 1.0
    statuses: frozenset[int] = frozenset({502, 503, 504})
    timeouts: bool = True

    def pause(self, retry: int) -> float:
        """Seconds to wait before retry number ``retry`` (0 for the first)."""
        return random.uniform(0, min(self.max_backoff, self.backoff * 2**retry))  # noqa: S311


NO_RETRIES = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class Backoff:
    """Growing pauses between attempts.

    The first pause is ``first`` seconds; each further one is twice as long, up to ``most``. A jitter of ±25 % spreads
    processes that failed at the same time.
    """

    first: float = 1.0
    most: float = 15.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after failed attempt number ``failures`` (0 for the first)."""
        return random.uniform(0.75, 1.25) * min(self.first * 2 ** min(failures, 30), self.most)  # noqa: S311


class RetryBudget:
    """A token bucket: each call earns a fraction of a retry, each retry costs one. Thread-safe."""

    def __init__(self, ratio: float = 0.1, capacity: float = 10.0) -> None:
        self._ratio = ratio
        self._capacity = capacity
        self._tokens = capacity
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Record a first attempt."""
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Take one retry from the budget. False when the budget is used up."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
