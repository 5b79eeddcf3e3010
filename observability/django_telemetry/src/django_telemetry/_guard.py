"""The guard at each boundary between telemetry and the program: what fails in telemetry stays there and is counted.

Boundaries on the path of every request use ``try`` with internal_error(), which costs nothing unless something fails.
Others use the decorator.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from .accounting import account

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

_reported: set[str] = set()


def internal_error(signal: str, place: str) -> None:
    """Count the exception that is being handled as an item of ``signal`` lost (``internal_error``). Never raises."""
    account(signal).fail()
    report(place)


def report(place: str) -> None:
    """Log the exception that is being handled with its stack trace, once for each ``place``. Never raises."""
    if place in _reported:
        return
    _reported.add(place)  # before logging, which may fail at the same place
    with suppress(Exception):
        logger.warning("Telemetry failed in %s; the program is not affected.", place, exc_info=sys.exception())


def guarded(signal: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Make a function return None instead of raising; the failure is counted for ``signal``."""

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception:
                internal_error(signal, function.__qualname__)
                return None

        return call

    return decorate
