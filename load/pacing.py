"""The delay between requests while the platform doesn't respond."""

from __future__ import annotations

import random

# Short enough that traffic resumes soon after the platform does.
MAX_BACKOFF_SECONDS = 10.0


def backoff(silent: int) -> float:
    """Seconds to wait after `silent` requests without a response: exponential, with jitter and an upper bound."""
    return min(MAX_BACKOFF_SECONDS, 2.0 ** min(silent, 10) / 2) * random.uniform(0.5, 1.0)
