"""Reserves a processor for the measured process; its backends and the load share the others.

A backend on the same processor would compete for its caches and distort the differences between the variants.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

import psutil

_VARIABLE = "BENCH_PROCESSOR"


def claim() -> None:
    """Move this process to the processor reserved for the measurement. Call it before starting threads."""
    if kept := os.environ.get(_VARIABLE):
        os.sched_setaffinity(0, {int(kept)})


@contextlib.contextmanager
def kept_free(backends: Iterable[int]) -> Iterator[bool]:
    """Reserve one processor for processes that call claim(). Yields False when there is only one processor.

    This process and ``backends`` (process ids), with their descendants, run on the others, and on all again at the end.
    Processes that they start in the block inherit this.
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
    """Let ``collectors`` (process ids), with their descendants, run only while the processor is otherwise idle.

    In production a collector runs on another machine. Here it would take CPU time from the database and the load's
    clients, and only for the variants that export, although it is not a cost of theirs.
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
    """Call ``do`` for each thread: Linux sets affinity and policy per thread. Threads that have ended are skipped."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    for thread in each.threads():
                        with contextlib.suppress(ProcessLookupError):
                            do(thread.id)
