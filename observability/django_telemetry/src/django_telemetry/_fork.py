"""Forking: reset state in a child process, and delay what must start only after the fork."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from types import FrameType


def after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child while its object exists (it is held by a weak reference)."""
    if not hasattr(os, "register_at_fork"):  # this platform has no fork
        return
    reference = weakref.WeakMethod(method)

    def call() -> None:
        live = reference()
        if live is not None:
            live()

    os.register_at_fork(after_in_child=call)


def in_worker(start: Callable[[], object]) -> None:
    """Call ``start`` now; in gunicorn's master, when that loads the app (preload_app), in each worker instead.

    The master serves no requests, and a port or connection pool opened there would conflict with the workers' own.
    """
    if not _is_preloading_master():
        start()
        return
    pending = True

    def once() -> None:
        nonlocal pending
        if pending:  # False in a worker's own children: already started
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
    # The master forks its workers, so a worker's stack also contains the master's frames.
    return "gunicorn.arbiter" in modules and not any(name.startswith("gunicorn.workers") for name in modules)
