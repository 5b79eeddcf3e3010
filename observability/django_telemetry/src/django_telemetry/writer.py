"""The way to stdout: a bounded queue and one thread, so that a full pipe never blocks a request."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from ._fork import after_fork
from ._threads import start_thread
from .accounting import Account, account

MAX_LINES = 20_000
MAX_BYTES = 8 * 1024 * 1024
# Lines are gathered this long, so that a burst costs one write and not one thread switch each.
_GATHER = 0.02
_WRITE_BYTES = 65536


class _Chunk:
    """Lines that are written together."""

    __slots__ = ("data", "lines")

    def __init__(self) -> None:
        self.data = bytearray()
        self.lines = 0


class LineWriter:
    """Writes lines to a file descriptor from its own thread. Full queue: the new line is dropped and counted."""

    def __init__(
        self,
        descriptor: int,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        books: Account | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._books = books or account("logs")
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        # Also in a forked child: the lines queued there belong to the parent, which writes them.
        self._books.after_fork()
        self._lock = threading.Lock()
        # Lines are put together as they come: a request then leaves nothing behind for another thread to free.
        self._chunks: deque[_Chunk] = deque()
        self._open = _Chunk()
        self._in_hand = _Chunk()
        self._lines = 0
        self._bytes = 0
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._books.waiting = lambda: self._lines

    def write(self, line: bytes) -> None:
        """Queue ``line``, which ends with a newline. Never waits for the descriptor, never raises."""
        size = len(line)
        with self._lock:
            self._books.made += 1
            if self._closed:
                self._books.lost["shutdown"] += 1
                return
            if self._lines >= self._max_lines or self._bytes + size > self._max_bytes:
                self._books.lost["queue_full"] += 1
                return
            chunk = self._open
            chunk.data += line
            chunk.lines += 1
            self._lines += 1
            self._bytes += size
            if len(chunk.data) >= _WRITE_BYTES:
                self._chunks.append(chunk)
                self._open = _Chunk()
            if self._thread is None:
                self._thread = start_thread(self._run, "telemetry-stdout")
        if not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._closed:
                time.sleep(_GATHER)
            self._wake.clear()
            while self._take():
                self._write()
            if self._closed:
                return

    def _take(self) -> bool:
        with self._lock:
            if not self._chunks and self._open.lines:
                self._chunks.append(self._open)
                self._open = _Chunk()
            if self._chunks:
                self._in_hand = self._chunks.popleft()
            return self._in_hand.lines > 0

    def _write(self) -> None:
        chunk = self._in_hand
        data = memoryview(chunk.data)
        written = True
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # Somebody made the shared descriptor non-blocking; wait here, where it hurts nobody.
                time.sleep(_GATHER)
            except OSError:  # the reader is gone
                written = False
                break
        with self._lock:
            if self._closed:  # close() has counted them as lost already
                return
            if written:
                self._books.delivered += chunk.lines
            else:
                self._books.lost["export_failed"] += chunk.lines
            self._lines -= chunk.lines
            self._bytes -= len(chunk.data)
            self._in_hand = _Chunk()

    def flush(self, timeout: float) -> bool:
        """Wait until everything queued has found its fate, ``timeout`` seconds at most. Whether it has."""
        end = time.monotonic() + timeout
        while True:
            with self._lock:
                if not self._lines:
                    return True
            if time.monotonic() >= end:
                return False
            self._wake.set()
            time.sleep(0.005)

    def drain(self) -> None:
        """Begin to write what is queued, without waiting for more."""
        self._wake.set()

    def close(self, timeout: float) -> None:
        """Write what is queued, ``timeout`` seconds at most, and count the rest as lost."""
        self.flush(timeout)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._books.lost["shutdown"] += self._lines
            self._chunks.clear()
            self._open = self._in_hand = _Chunk()
            self._lines = self._bytes = 0
        self._wake.set()
