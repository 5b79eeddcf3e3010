"""One form for every failure: what was expected, what came, where to look."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

import pytest
from contracts.testing.polling import poll_until

Value = TypeVar("Value")


def fail(expected: str, came: object, look_at: str) -> NoReturn:
    """Fail the test with the standard message."""
    pytest.fail(f"expected  {expected}\ncame      {came}\nlook at   {look_at}", pytrace=False)


def expect(true: bool, expected: str, came: object, look_at: str) -> None:
    """Fail with the standard message unless `true`."""
    if not true:
        fail(expected, came, look_at)


def eventually(
    ask: Callable[[], Value],
    accept: Callable[[Value], object],
    expected: str,
    look_at: str,
    *,
    timeout: float = 20.0,
    interval: float = 0.25,
) -> Value:
    """Ask until the answer is accepted, and return it. Fails with the last answer after `timeout` seconds."""
    last: list[Value] = []

    def attempt() -> list[Value] | None:
        last[:] = [ask()]
        return last if accept(last[0]) else None

    with suppress(AssertionError):
        return poll_until(attempt, expected, timeout, interval)[0]
    # Out here, so that the failure stands alone, without the polling's own below it.
    fail(f"{expected} within {timeout:.0f} s", last[0], look_at)
