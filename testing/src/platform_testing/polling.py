"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar, overload

Value = TypeVar("Value")

FIRST_PAUSE = 0.01
GROWTH = 1.5


@overload
def eventually(
    ask: Callable[[], Value | None],
    expected: str,
    *,
    timeout: float = ...,
    longest_pause: float = ...,
    look_at: object = ...,
    retry_on: type[Exception] | tuple[type[Exception], ...] = ...,
) -> Value: ...


@overload
def eventually(
    ask: Callable[[], Value],
    expected: str,
    *,
    accept: Callable[[Value], object],
    timeout: float = ...,
    longest_pause: float = ...,
    look_at: object = ...,
    retry_on: type[Exception] | tuple[type[Exception], ...] = ...,
) -> Value: ...


def eventually(
    ask: Callable[[], Any],
    expected: str,
    *,
    accept: Callable[[Any], object] = bool,
    timeout: float = 20.0,
    longest_pause: float = 0.25,
    look_at: object = "",
    retry_on: type[Exception] | tuple[type[Exception], ...] = (),
) -> Any:
    """Call `ask` until `accept` is true of what it returns, and return that.

    After `timeout` seconds: AssertionError with what was `expected`, the last value, and where to `look_at` (an
    address, a file). An exception of `ask` ends the wait at once, except those of `retry_on`: they count as "not yet",
    and the last one is shown, as the failure's cause too. The pauses grow from 10 ms to `longest_pause` seconds: set it
    lower where the condition holds for a moment only.
    """
    __tracebackhide__ = True  # pytest then points at the caller's line
    deadline = time.monotonic() + timeout
    pause = min(FIRST_PAUSE, longest_pause)
    while True:
        error: Exception | None = None
        got: Any = None
        try:
            got = ask()
        except retry_on as failure:
            error = failure
        if error is None and accept(got):
            return got
        left = deadline - time.monotonic()
        if left <= 0:
            last = got if error is None else error
            lines = [f"expected  {expected} within {timeout:g} s", f"got       {last!r}"]
            if look_at:
                lines.append(f"look at   {look_at}")
            raise AssertionError("\n".join(lines)) from error
        time.sleep(min(pause, left))
        pause = min(pause * GROWTH, longest_pause)
