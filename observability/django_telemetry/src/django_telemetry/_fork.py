"""Forking: what must start anew in a child process, and what must not start before."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from types import FrameType


def after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, as long as its object lives."""
    if not hasattr(os, "register_at_fork"):  # no fork on this platform
        return
    reference = weakref.WeakMethod(method)

    def call() -> None:
        live = reference()
        if live is not None:
            live()

    os.register_at_fork(after_in_child=call)


def in_worker(start: Callable[[], object]) -> None:
    """Call ``start`` now; in gunicorn's master, when that loads the app (preload_app), in each worker instead.

    The master serves no requests. What it opened (a port, a connection pool) would be in the workers' way.
    """
    if not _is_preloading_master():
        start()
        return
    pending = True

    def once() -> None:
        nonlocal pending
        if pending:  # a worker's own children inherit that it has been done
            pending = False
            start()

    os.register_at_fork(after_in_child=once)


def _is_preloading_master() -> bool:
    if "gunicorn.arbiter" not in sys.modules:
        return False
    frame: FrameType | None = sys._getframe()
    modules = set()
    while frame is not None:
        modules.add(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    # A worker is forked by the master, so the master's frames are below its own.
    return "gunicorn.arbiter" in modules and not any(name.startswith("gunicorn.workers") for name in modules)
