"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def poll_until(ask: Callable[[], Value | None], what: str, timeout: float = 10.0, interval: float = 0.05) -> Value:
    """Ask until the answer is truthy and return it. AssertionError after `timeout` seconds, saying what was awaited."""
    deadline = time.monotonic() + timeout
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}; the last answer was {answer!r}")
        time.sleep(interval)
