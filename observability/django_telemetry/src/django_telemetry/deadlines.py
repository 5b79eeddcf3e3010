"""Deadlines: how long the current unit of work may still take, passed on to every service that it calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ._deadline import HEADER, META_KEY, Deadline, parse_header
from ._work import current_work

__all__ = ["HEADER", "META_KEY", "Deadline", "current_deadline", "parse_header", "use_deadline"]

_current: ContextVar[Deadline | None] = ContextVar("django_telemetry_deadline", default=None)


def current_deadline() -> Deadline | None:
    """The deadline of use_deadline(), else of the current request, RPC or message; None outside of any."""
    explicit = _current.get()
    if explicit is not None:
        return explicit
    work = current_work()
    return work.deadline if work is not None else None


@contextmanager
def use_deadline(deadline: Deadline) -> Iterator[Deadline]:
    """Make ``deadline`` the current one inside the block, unless an earlier one already holds."""
    effective = deadline.earliest(current_deadline())
    token = _current.set(effective)
    try:
        yield effective
    finally:
        _current.reset(token)
