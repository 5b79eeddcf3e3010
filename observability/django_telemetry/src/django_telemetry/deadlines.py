"""Deadlines: how long the work in hand may still take, handed on to every service that helps with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

HEADER = "X-Request-Deadline-Ms"
META_KEY = "HTTP_X_REQUEST_DEADLINE_MS"

_MAX_MILLISECONDS = 3_600_000


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on this process's monotonic clock. Travels between processes as the milliseconds that are left."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.at

    def header_value(self) -> str:
        """What goes into the X-Request-Deadline-Ms header: whole milliseconds left."""
        return str(int(self.remaining() * 1000))

    def earliest(self, other: Deadline | None) -> Deadline:
        """The earlier of the two."""
        return other if other is not None and other.at < self.at else self


def parse_header(raw: str | None) -> float | None:
    """Seconds from an X-Request-Deadline-Ms value; None when it is missing or isn't a sane whole number."""
    if not raw or len(raw) > 7 or not raw.isascii() or not raw.isdigit():
        return None
    return min(int(raw), _MAX_MILLISECONDS) / 1000


_current: ContextVar[Deadline | None] = ContextVar("django_telemetry_deadline", default=None)


def current_deadline() -> Deadline | None:
    """The deadline of the work in hand: of use_deadline(), else of the request, RPC or message; None outside of any."""
    explicit = _current.get()
    if explicit is not None:
        return explicit
    from ._work import current_work

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
