"""Shutdown: flush telemetry at exit and handle stop signals, in bounded time."""

from __future__ import annotations

import atexit
import logging
import signal
import threading
import time
from types import FrameType
from typing import Protocol

logger = logging.getLogger(__name__)

# The fraction of the exit time reserved for the logs. They are closed last, since closing the others may log.
_LOGS_SHARE = 0.15


class Closer(Protocol):
    """A component with unsent telemetry."""

    def drain(self) -> None:
        """Start sending everything and accept nothing new. Returns at once."""

    def close(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for drain() to finish; count the rest as lost."""


_closers: list[Closer] = []
_lock = threading.Lock()
_registered = False


def at_exit(closer: Closer, timeout: float) -> None:
    """Drain and close ``closer`` when the process exits. All closers share ``timeout`` seconds."""
    global _registered
    with _lock:
        _closers.append(closer)
        if not _registered:
            _registered = True
            atexit.register(shutdown, timeout)


def shutdown(timeout: float) -> None:
    """Close the registered components, the last registered last, in ``timeout`` seconds. A second call does nothing."""
    with _lock:
        closers, _closers[:] = list(_closers), []
    end = time.monotonic() + timeout
    # Start all drains before waiting for the first, so that the waits for several dead backends overlap.
    for closer in closers[:-1]:
        closer.drain()
    for closer in closers:
        reserve = 0.0 if closer is closers[-1] else timeout * _LOGS_SHARE
        try:
            closer.close(max(0.01, end - reserve - time.monotonic()))
        except Exception:
            # At exit an error must not keep the remaining components from closing, and there is no caller to raise to.
            logger.debug("A telemetry component did not close cleanly.", exc_info=True)


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set, for commands that loop: finish the current work, then return.

    A second signal of the same kind has the default effect, so a hanging command can still be stopped.
    Must be called from the main thread.
    """
    event = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        event.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return event
