"""Starting and stopping: what must happen at exit and at a stop signal, in bounded time."""

from __future__ import annotations

import atexit
import logging
import signal
import threading
import time
from types import FrameType
from typing import Protocol

logger = logging.getLogger(__name__)

# Of the time at exit, what is left for the logs: they come last, since the others still have something to say.
_LOGS_SHARE = 0.15


class Closer(Protocol):
    """Something that holds telemetry which isn't sent yet."""

    def drain(self) -> None:
        """Begin to send everything and take nothing new. Returns at once."""

    def close(self, timeout: float) -> None:
        """Wait ``timeout`` seconds at most for what drain() began; count the rest as lost."""


_closers: list[Closer] = []
_lock = threading.Lock()
_registered = False


def at_exit(closer: Closer, timeout: float) -> None:
    """Drain and close ``closer`` when the process ends. All closers together get ``timeout`` seconds."""
    global _registered
    with _lock:
        _closers.append(closer)
        if not _registered:
            _registered = True
            atexit.register(shutdown, timeout)


def shutdown(timeout: float) -> None:
    """Close what was registered, the last registered last, in ``timeout`` seconds. A second call does nothing."""
    with _lock:
        closers, _closers[:] = list(_closers), []
    end = time.monotonic() + timeout
    # All begin before the first is waited for: dead backends cost their time only once.
    for closer in closers[:-1]:
        closer.drain()
    for closer in closers:
        reserve = 0.0 if closer is closers[-1] else timeout * _LOGS_SHARE
        try:
            closer.close(max(0.01, end - reserve - time.monotonic()))
        except Exception:
            # At exit nothing may stop the remaining closers, and there is nobody to raise to.
            logger.debug("A telemetry component did not close cleanly.", exc_info=True)


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set, for commands that loop: finish the work in hand, then leave.

    A second signal of the same kind gets the default treatment, so a hanging command can still be stopped.
    Must be called from the main thread.
    """
    event = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        event.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return event
