"""Shutdown: flush telemetry at exit and handle stop signals, in bounded time.

Python runs atexit's functions only at an ordinary end. The children of multiprocessing and of job queues end with
os._exit(), uvicorn raises the signal again that it was stopped with, and a signal without a handler ends a process
directly. All of these flush here first.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, Protocol

from ._fork import after_fork, server_owns_signals

logger = logging.getLogger(__name__)

# The fraction of the exit time reserved for the logs. They are closed last, since closing the others may log.
_LOGS_SHARE = 0.15
# Seconds beyond the exit time, after which a thread that flushes is given up.
_GRACE = 0.25


class Closer(Protocol):
    """A component with unsent telemetry."""

    def drain(self) -> None:
        """Start sending everything and accept nothing new. Returns at once."""

    def close(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for drain() to finish; count the rest as lost."""


_closers: list[Closer] = []
_lock = threading.Lock()
# Held while the closers are closed.
_closing = threading.Lock()
_timeout = 0.0
_installed = False
_exit = os._exit
_raise_signal = signal.raise_signal


def at_exit(closer: Closer, timeout: float) -> None:
    """Drain and close ``closer`` when the process exits. All closers share ``timeout`` seconds."""
    global _installed, _timeout
    with _lock:
        _closers.append(closer)
        _timeout = timeout
        if _installed:
            return
        _installed = True
    atexit.register(shutdown, timeout)
    after_fork(_renew_locks)
    os._exit = _flush_and_exit
    signal.raise_signal = _flush_and_raise
    _flush_at_sigterm()


def _renew_locks() -> None:
    global _closing, _lock
    _closing, _lock = threading.Lock(), threading.Lock()


def _flush_and_exit(status: int) -> NoReturn:
    """os._exit(), after telemetry was flushed."""
    _flush_from_anywhere()
    _exit(status)


def _flush_and_raise(number: int) -> None:
    """signal.raise_signal(), after telemetry was flushed if the signal has no handler and so ends the process."""
    if number in (signal.SIGTERM, signal.SIGINT) and signal.getsignal(number) is signal.SIG_DFL:
        _flush_from_anywhere()
    _raise_signal(number)


def _flush_at_sigterm() -> None:
    """Flush when SIGTERM ends the process, unless the process handles it itself.

    Not in a container's first process: the kernel ignores a signal there that has no handler.
    """
    if server_owns_signals() or os.getpid() == 1 or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _flush_and_die)


def _flush_and_die(number: int, _frame: FrameType | None) -> None:
    _flush_from_anywhere()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _flush_from_anywhere() -> None:
    """shutdown() in a thread of its own, which has the time of a shutdown.

    A signal's handler runs between any two instructions of the main thread, which may hold a lock that flushing needs.
    """
    if not _closers and not _closing.locked():
        return
    done: Any = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            shutdown(_timeout)
        finally:
            done.release()

    with suppress(RuntimeError):  # no thread can be started
        _thread.start_new_thread(run, ())
        done.acquire(True, _timeout + _GRACE)


def shutdown(timeout: float) -> None:
    """Close the registered components, the last registered last, in ``timeout`` seconds. A second call waits for it."""
    with _closing:
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
                # At exit an error must not keep the remaining components from closing, and there is no caller.
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
