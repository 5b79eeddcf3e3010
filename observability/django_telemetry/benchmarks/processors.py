"""What is measured gets a processor of its own; its backends and the load share the others.

A backend on the same processor takes its caches: what the variants then differ by is the neighbour's work too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

import psutil

_VARIABLE = "BENCH_PROCESSOR"


def claim() -> None:
    """Move this process to the processor that is kept for what is measured. To be called before it starts threads."""
    if kept := os.environ.get(_VARIABLE):
        os.sched_setaffinity(0, {int(kept)})


@contextlib.contextmanager
def kept_free(backends: Iterable[int]) -> Iterator[bool]:
    """Keep one processor for processes that ``claim`` it; False where there is only one.

    This process and ``backends`` (process ids), with their descendants, stay on the others and may use all again at the
    end. What they start meanwhile inherits that.
    """
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        yield False
        return
    moved = [os.getpid(), *backends]
    kept = min(allowed)
    os.environ[_VARIABLE] = str(kept)
    _allow(moved, allowed - {kept})
    try:
        yield True
    finally:
        del os.environ[_VARIABLE]
        _allow(moved, allowed)


@contextlib.contextmanager
def in_the_background(collectors: Iterable[int]) -> Iterator[None]:
    """Let ``collectors`` (process ids), with their descendants, run only while nobody else wants to.

    A collector has a machine of its own. Here it would take the time of the database and of the load's clients, and
    only from the variants that export: that is no cost of theirs.
    """
    pids = list(collectors)
    _for_each_thread(pids, lambda thread: os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0)))
    try:
        yield
    finally:
        _for_each_thread(pids, lambda thread: os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0)))


def _allow(pids: Iterable[int], processors: set[int]) -> None:
    _for_each_thread(pids, lambda thread: os.sched_setaffinity(thread, processors))


def _for_each_thread(pids: Iterable[int], do: Callable[[int], None]) -> None:
    """Linux knows neither processors nor a policy of a process as a whole. Who is gone meanwhile is passed over."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    for thread in each.threads():
                        with contextlib.suppress(ProcessLookupError):
                            do(thread.id)
