"""Forking: reset state in a child process, and delay what must start only after the fork.

Python calls the functions of os.register_at_fork() in a child only when the fork is its own. uWSGI forks its workers in
C and, by default, without them. Its own hook announces such a fork; otherwise the first use of telemetry detects it.
"""

from __future__ import annotations

import mmap
import os
import random
import sys
import weakref
from collections.abc import Callable
from types import FrameType, MethodType, ModuleType
from typing import Any

# Linux fills a page that is advised so with zeros in a child; Python has no name for the constant.
_MADV_WIPEONFORK = 18

_resets: list[Callable[[], Callable[[], None] | None]] = []
_pending: list[Callable[[], object]] = []
_forked = False


def after_fork(reset: Callable[[], None]) -> None:
    """Call ``reset`` in every forked child, in order of registration. An object with a bound method is held weakly."""
    _resets[:] = [known for known in _resets if known() is not None]
    _resets.append(weakref.WeakMethod(reset) if isinstance(reset, MethodType) else lambda: reset)


def in_worker(start: Callable[[], object]) -> None:
    """Call ``start`` now; in a master process that forks its workers later, in each worker instead.

    The master (of gunicorn with preload_app, of uWSGI without lazy-apps) serves no requests, and a port or connection
    pool opened there would conflict with the workers' own.
    """
    if is_uwsgi_master() or _is_gunicorn_master():
        _pending.append(start)
    else:
        start()


def server_owns_signals() -> bool:
    """Whether this is a process of uWSGI or Apache, which handle signals themselves, below Python."""
    return _uwsgi() is not None or "mod_wsgi" in sys.modules


def is_uwsgi_master() -> bool:
    """Whether this process is uWSGI's before it has forked its workers. A thread started here breaks them.

    uWSGI forks without taking the GIL, so a child whose parent had a running thread can wait for the GIL forever.
    """
    return not _forked and _is_uwsgi_without_worker_id()


def _is_uwsgi_without_worker_id() -> bool:
    uwsgi = _uwsgi()
    return uwsgi is not None and uwsgi.worker_id() == 0


def _uwsgi() -> ModuleType | None:
    """uWSGI's module, which exists only inside its processes."""
    return sys.modules.get("uwsgi")


def _is_gunicorn_master() -> bool:
    if "gunicorn.arbiter" not in sys.modules:
        return False
    frame: FrameType | None = sys._getframe()
    modules = set()
    while frame is not None:
        modules.add(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    # The master forks its workers, so a worker's stack also contains the master's frames.
    return "gunicorn.arbiter" in modules and not any(name.startswith("gunicorn.workers") for name in modules)


def notice() -> None:
    """Reset everything if this process was forked without Python's hooks. Cheap enough for every request."""
    if not _mark[0]:
        random.seed()  # as Python's own hook does; otherwise all workers would create the same ids
        _in_child()


def _in_child() -> None:
    global _forked
    _forked = True
    _mark[0] = 1
    for known in _resets:
        reset = known()
        if reset is not None:
            reset()
    _start_pending()


def _start_pending() -> None:
    if _is_uwsgi_without_worker_id():  # a mule or a spooler, or a worker before uWSGI has numbered it
        return
    waiting, _pending[:] = list(_pending), []  # a worker's own children find nothing to start
    for start in waiting:
        start()


def _in_uwsgi_child() -> None:
    notice()
    _start_pending()


class _ProcessId:
    """Replaces the page that is wiped by a fork on systems that have no such pages."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, _index: int) -> bool:
        return os.getpid() == self._pid

    def __setitem__(self, _index: int, _value: int) -> None:
        self._pid = os.getpid()


def _new_mark() -> Any:
    """Something whose item 0 is true in this process, and false in a child until it is set there."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):
        return _ProcessId()
    page[0] = 1
    return page


_mark = _new_mark()


def install() -> None:
    """Subscribe to forks, of Python and of uWSGI. Called once, when the module is imported."""
    if hasattr(os, "register_at_fork"):  # this platform has fork
        os.register_at_fork(after_in_child=_in_child)
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    try:
        # Its decorators keep a list of hooks, and would replace one that was set without them.
        from uwsgidecorators import postfork
    except Exception:  # not installed, or uWSGI runs without a master
        previous = getattr(uwsgi, "post_fork_hook", None)

        def hook() -> None:
            if previous is not None:
                previous()
            _in_uwsgi_child()

        uwsgi.post_fork_hook = hook  # type: ignore[attr-defined]
    else:
        postfork(_in_uwsgi_child)


install()
