"""What is measured gets a processor of its own; its backends and the load share the others.

A backend on the same processor takes its caches: what the variants then differ by is the neighbour's work too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

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


def _allow(pids: Iterable[int], processors: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                _allow_one(each, processors)


def _allow_one(process: psutil.Process, processors: set[int]) -> None:
    """Every thread of a process: Linux knows no processors of a process as a whole."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for thread in process.threads():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, processors)
