"""How long to wait while nobody answers."""

from __future__ import annotations

import random

# Short enough that traffic is back soon after the platform is.
MAX_BACKOFF_SECONDS = 10.0


def backoff(silent: int) -> float:
    """Seconds to wait after `silent` requests in a row without any answer: doubles, jittered, bounded."""
    return min(MAX_BACKOFF_SECONDS, 2.0 ** min(silent, 10) / 2) * random.uniform(0.5, 1.0)
