"""Writes log lines to stdout through a bounded queue and one thread, so that a full pipe never blocks a request."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ._fork import after_fork, is_uwsgi_master, notice
from ._threads import start_thread
from .accounting import INTERNAL_ERROR, Account, account

MAX_LINES = 20_000
MAX_BYTES = 8 * 1024 * 1024
# Seconds to collect lines before a write: waking the thread for each line costs a request more than the line itself.
_GATHER = 0.05
# After this many rounds without a line the thread sleeps until it is woken, so that an idle process doesn't poll.
_QUIET_ROUNDS = 20
_WRITE_BYTES = 65536


# A line, or a function that renders it in the writer's thread: rendering in batches takes half the time.
Line = bytes | Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Lines that are written together, and their estimated size in bytes."""

    lines: list[Line]
    size: int


_NOTHING = _Chunk([], 0)


class LineWriter:
    """Writes lines to a file descriptor from its own thread. With a full queue, a new line is dropped and counted."""

    def __init__(
        self,
        descriptor: int,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        counts: Account | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._counts = counts or account("logs")
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        # Also in a forked child: the parent writes the lines that it had queued.
        self._counts.after_fork()
        self._lock = threading.Lock()
        self._open: list[Line] = []
        self._chunks: deque[_Chunk] = deque()
        self._current = _NOTHING
        # Totals of the open lines, the chunks and the chunk being written.
        self._lines = 0
        self._bytes = 0
        # Bytes in the chunks and in the chunk being written.
        self._chunked = 0
        self._closed = False
        # Not set while the thread sleeps or has not been started.
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._counts.waiting = lambda: self._lines

    def write(self, line: bytes) -> None:
        """Queue ``line``, which ends with a newline. Never waits for the descriptor, never raises."""
        self._queue(line, len(line))

    def write_later(self, line: Callable[[], bytes], size: int) -> None:
        """Queue ``line``, which the thread calls to render it; ``size`` is its estimated memory in bytes."""
        self._queue(line, size)

    def _queue(self, line: Line, size: int) -> None:
        notice()
        with self._lock:
            self._counts.made += 1
            if self._closed:
                self._counts.lost["shutdown"] += 1
                return
            if self._lines >= self._max_lines or self._bytes + size > self._max_bytes:
                self._counts.lost["queue_full"] += 1
                return
            self._lines += 1
            self._bytes += size
            self._open.append(line)
            if self._bytes - self._chunked >= _WRITE_BYTES:
                self._close_chunk()
            if not self._wake.is_set():
                self._wake_thread()
        if self._thread is None and is_uwsgi_master():
            # It can have no thread, and it serves no requests, so that it may wait for the descriptor.
            while self._take():
                self._write()

    def _wake_thread(self) -> None:
        if self._thread is None:
            self._thread = start_thread(self._run, "telemetry-stdout")
        if self._thread is not None:
            self._wake.set()

    def _close_chunk(self) -> None:
        self._chunks.append(_Chunk(self._open, self._bytes - self._chunked))
        self._open = []
        self._chunked = self._bytes

    def _run(self) -> None:
        while True:
            self._wake.wait()
            quiet = 0
            while quiet < _QUIET_ROUNDS:
                self._hurry.wait(_GATHER)
                self._hurry.clear()
                quiet += 1
                while self._take():
                    self._write()
                    quiet = 0
                if self._closed:
                    return
            with self._lock:
                if not self._lines:
                    self._wake.clear()

    def _take(self) -> bool:
        with self._lock:
            if not self._chunks and self._open:
                self._close_chunk()
            if self._chunks:
                self._current = self._chunks.popleft()
            return bool(self._current.lines)

    def _write(self) -> None:
        chunk = self._current
        data, good = _rendered(chunk.lines)
        written = True
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # Another process made the shared descriptor non-blocking; waiting in this thread blocks no request.
                time.sleep(_GATHER)
            except OSError:  # the reader closed the pipe
                written = False
                break
        with self._lock:
            if self._closed:  # close() has already counted them as lost
                return
            delivered = good if written else 0
            self._counts.delivered += delivered
            self._counts.lost["export_failed"] += good - delivered
            self._counts.lost[INTERNAL_ERROR] += len(chunk.lines) - good
            self._lines -= len(chunk.lines)
            self._chunked -= chunk.size
            self._bytes -= chunk.size
            self._current = _NOTHING

    def flush(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until every queued line is written or lost. Returns whether this is so."""
        end = time.monotonic() + timeout
        while True:
            with self._lock:
                if not self._lines:
                    return True
            if time.monotonic() >= end:
                return False
            self._hurry.set()
            time.sleep(0.005)

    def drain(self) -> None:
        """Start writing what is queued, without waiting for more."""
        self._hurry.set()

    def close(self, timeout: float) -> None:
        """Write what is queued within ``timeout`` seconds and count the rest as lost."""
        self.flush(timeout)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._counts.lost["shutdown"] += self._lines
            self._chunks.clear()
            self._open, self._current = [], _NOTHING
            self._lines = self._chunked = self._bytes = 0
        self._wake.set()
        self._hurry.set()


def _rendered(lines: list[Line]) -> tuple[memoryview, int]:
    """The lines as bytes, and their number. A line that can't be rendered is left out."""
    made: list[bytes] = []
    for line in lines:
        try:
            made.append(bytes(line() if callable(line) else line))
        except Exception:  # noqa: S112 - it is counted as lost, and logging it would queue another line here
            continue
    return memoryview(b"".join(made)), len(made)
