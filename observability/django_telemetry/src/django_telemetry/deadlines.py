"""Deadlines: the time left for the current unit of work, propagated to every service that it calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ._deadline import HEADER, META_KEY, Deadline, parse_header
from ._work import current_work

__all__ = ["HEADER", "META_KEY", "Deadline", "current_deadline", "parse_header", "use_deadline"]

_current: ContextVar[Deadline | None] = ContextVar("django_telemetry_deadline", default=None)


def current_deadline() -> Deadline | None:
    """The deadline set by use_deadline(), else that of the current request, RPC or message; None without one."""
    explicit = _current.get()
    if explicit is not None:
        return explicit
    work = current_work()
    return work.deadline if work is not None else None


@contextmanager
def use_deadline(deadline: Deadline) -> Iterator[Deadline]:
    """Make ``deadline`` the current one inside the block, unless the current one is earlier."""
    effective = deadline.earliest(current_deadline())
    token = _current.set(effective)
    try:
        yield effective
    finally:
        _current.reset(token)
