"""The way to stdout: a bounded queue and one thread, so that a full pipe never blocks a request."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from ._fork import after_fork
from .accounting import Account, account

MAX_LINES = 20_000
MAX_BYTES = 8 * 1024 * 1024
# Lines are gathered this long, so that a burst costs one write and not one thread switch each.
_GATHER = 0.02
_WRITE_BYTES = 65536


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
        self._lines: deque[bytes] = deque()
        self._in_hand: list[bytes] = []
        self._bytes = 0
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._books.waiting = lambda: len(self._lines) + len(self._in_hand)

    def write(self, line: bytes) -> None:
        """Queue ``line``, which ends with a newline. Never waits for the descriptor, never raises."""
        size = len(line)
        with self._lock:
            self._books.made += 1
            if self._closed:
                self._books.lost["shutdown"] += 1
                return
            if len(self._lines) >= self._max_lines or self._bytes + size > self._max_bytes:
                self._books.lost["queue_full"] += 1
                return
            self._lines.append(line)
            self._bytes += size
            if self._thread is None:
                self._thread = self._start()
        if not self._wake.is_set():
            self._wake.set()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="telemetry-stdout", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is on its way out; close() counts what stays
            return None
        return thread

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
            size = 0
            while self._lines and size < _WRITE_BYTES:
                self._in_hand.append(self._lines.popleft())
                size += len(self._in_hand[-1])
            return bool(self._in_hand)

    def _write(self) -> None:
        data = memoryview(b"".join(self._in_hand))
        size = len(data)
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
                self._books.delivered += len(self._in_hand)
            else:
                self._books.lost["export_failed"] += len(self._in_hand)
            self._bytes -= size
            self._in_hand = []

    def flush(self, timeout: float) -> bool:
        """Wait until everything queued has found its fate, ``timeout`` seconds at most. Whether it has."""
        end = time.monotonic() + timeout
        while True:
            with self._lock:
                if not self._lines and not self._in_hand:
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
            self._books.lost["shutdown"] += len(self._lines) + len(self._in_hand)
            self._lines.clear()
            self._in_hand = []
        self._wake.set()
