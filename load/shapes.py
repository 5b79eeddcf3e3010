"""The number of users at each moment of a run."""

from __future__ import annotations

import math
from typing import Literal, get_args

Shape = Literal["steady", "ramp", "spike"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

# ramp: the last fifth holds the full load, so that it can be measured.
RAMP_UP_SHARE = 0.8
# spike: a fifth of the load, and all of it in the middle fifth of the run.
SPIKE_BASE_SHARE = 0.2
SPIKE_BEGINS, SPIKE_ENDS = 0.4, 0.6


def users_at(shape: Shape, elapsed: float, duration: float, users: int) -> int:
    """The number of users at `elapsed` of `duration` seconds: at least 1, at most `users`, and 0 once it is over."""
    if elapsed >= duration:
        return 0
    progress = max(0.0, elapsed / duration)
    if shape == "ramp":
        share = min(1.0, progress / RAMP_UP_SHARE)
    elif shape == "spike":
        share = 1.0 if SPIKE_BEGINS <= progress < SPIKE_ENDS else SPIKE_BASE_SHARE
    else:
        share = 1.0
    return max(1, math.ceil(users * share))
