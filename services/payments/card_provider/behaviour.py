"""The provider's current latency and error ratio; changed at runtime, for drills."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The 99th percentile of the standard normal distribution.
Z99 = 2.3263478740408408
MAX_LATENCY_MS = 60_000.0


class InvalidBehaviour(ValueError):
    """An invalid behaviour: the message names the member and what is allowed."""


@dataclass(frozen=True)
class Behaviour:
    """Latency is log-normal, given by its median and 99th percentile, plus a constant; all in milliseconds.

    `error_ratio` is the share of requests that end in an internal error: half of them fail before any work, half
    after it, as with real providers. A client that gets a 500 doesn't know whether the card was charged.
    """

    error_ratio: float = 0.0
    median_ms: float = 80.0
    p99_ms: float = 600.0
    extra_latency_ms: float = 0.0

    @classmethod
    def parse(cls, data: Any) -> Behaviour:
        """Parse the admin interface's JSON; omitted members take their defaults. Raises InvalidBehaviour."""
        _refuse_unknown(data, {"error_ratio", "latency_ms", "extra_latency_ms"}, "the body")
        latency = data.get("latency_ms", {"median": cls.median_ms, "p99": cls.p99_ms})
        _refuse_unknown(latency, {"median", "p99"}, "latency_ms")
        behaviour = cls(
            error_ratio=_number(data, "error_ratio", cls.error_ratio, 1.0),
            median_ms=_number(latency, "median", cls.median_ms, MAX_LATENCY_MS),
            p99_ms=_number(latency, "p99", cls.p99_ms, MAX_LATENCY_MS),
            extra_latency_ms=_number(data, "extra_latency_ms", cls.extra_latency_ms, MAX_LATENCY_MS),
        )
        if behaviour.p99_ms < behaviour.median_ms:
            raise InvalidBehaviour("latency_ms.p99: at least latency_ms.median")
        return behaviour

    def as_json(self) -> dict[str, Any]:
        """Return the behaviour in the format that `parse` accepts."""
        return {
            "error_ratio": self.error_ratio,
            "latency_ms": {"median": self.median_ms, "p99": self.p99_ms},
            "extra_latency_ms": self.extra_latency_ms,
        }

    def draw_latency(self, chance: random.Random) -> float:
        """Draw the latency of one request, in seconds."""
        drawn = 0.0
        if self.median_ms > 0:
            sigma = math.log(self.p99_ms / self.median_ms) / Z99
            drawn = self.median_ms * math.exp(chance.gauss(0.0, sigma))
        return min(drawn + self.extra_latency_ms, MAX_LATENCY_MS) / 1000


class Control:
    """Holds the current behaviour. Thread-safe."""

    def __init__(self, behaviour: Behaviour | None = None, seed: int | None = None) -> None:
        self._behaviour = behaviour or Behaviour()
        self._chance = random.Random(seed)  # noqa: S311  (a simulation, not a secret)
        self._lock = threading.Lock()

    @property
    def behaviour(self) -> Behaviour:
        """Return the current behaviour."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def draw(self) -> tuple[float, bool, bool]:
        """Draw for one request: its latency in seconds, and whether it fails before or after its work."""
        behaviour = self._behaviour
        with self._lock:
            latency = behaviour.draw_latency(self._chance)
            fails = self._chance.random() < behaviour.error_ratio
            after = self._chance.random() < 0.5
        return latency, fails and not after, fails and after


def _refuse_unknown(data: Any, known: set[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise InvalidBehaviour(f"{where}: an object with {', '.join(sorted(known))}")
    unknown = sorted(set(data) - known)
    if unknown:
        raise InvalidBehaviour(f"{unknown[0][:100]}: not known; allowed are {', '.join(sorted(known))}")


def _number(data: Mapping[str, Any], name: str, default: float, highest: float) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
        raise InvalidBehaviour(f"{name}: a number from 0 to {highest:g}")
    return float(value)
