"""The line writer to stdout: no caller waits for it, and every line is accounted for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator

import pytest
from django_telemetry import writer as writing
from django_telemetry.accounting import Account
from django_telemetry.writer import LineWriter
from platform_testing.polling import eventually

from .harness import check_balance, threads_at_work


class _Pipe:
    """A pipe whose reading end may stay unread."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.counts = Account("test")
        self._others = set(threading.enumerate())

    def read_all(self, expected: int) -> bytes:
        data = b""
        while len(data) < expected:
            data += os.read(self.reader, 65536)
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.reader)
        # Closing the reader ends a blocked thread with an error; only then may its descriptor be reused.
        for thread in threading.enumerate():
            if thread.name == "telemetry-stdout" and thread not in self._others:
                thread.join(5)
        os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[_Pipe]:
    made = _Pipe()
    yield made
    made.close()


def test_lines_arrive_whole_and_in_order(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, counts=pipe.counts)
    expected = b"".join(b"line %d\n" % number for number in range(1000))
    for number in range(1000):
        writer.write(b"line %d\n" % number)
    assert pipe.read_all(len(expected)) == expected
    assert writer.flush(5)
    assert (pipe.counts.made, pipe.counts.delivered) == (1000, 1000)
    writer.close(1)
    check_balance(pipe.counts)


def test_a_full_pipe_does_not_block_and_the_rest_is_counted(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, max_lines=500, counts=pipe.counts)
    start = time.monotonic()
    for _ in range(5000):
        writer.write(b"x" * 199 + b"\n")
    assert time.monotonic() - start < 2
    assert pipe.counts.lost["queue_full"] >= 3500
    check_balance(pipe.counts)
    start = time.monotonic()
    writer.close(0.5)
    assert time.monotonic() - start < 1.5
    assert pipe.counts.lost["shutdown"] > 0
    check_balance(pipe.counts)


def test_the_queue_is_bounded_by_bytes_too(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, max_bytes=100_000, counts=pipe.counts)
    for _ in range(200):
        writer.write(b"x" * 9_999 + b"\n")
    assert pipe.counts.waiting() <= 10
    check_balance(pipe.counts)
    writer.close(0.1)


def test_writing_continues_when_the_reader_continues(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, max_lines=100, counts=pipe.counts)
    for _ in range(2000):
        writer.write(b"x" * 999 + b"\n")
    kept = pipe.counts.made - pipe.counts.lost["queue_full"]
    data = pipe.read_all(kept * 1000)
    assert len(data) == kept * 1000
    eventually(
        lambda: pipe.counts.delivered, "the lines that were kept to be delivered", accept=lambda actual: actual == kept
    )
    writer.write(b"again\n")
    assert pipe.read_all(6) == b"again\n"
    writer.close(1)
    check_balance(pipe.counts)


def test_lines_for_a_closed_reader_are_counted_and_do_not_raise(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, counts=pipe.counts)
    os.close(pipe.reader)
    writer.write(b"lost\n")
    eventually(lambda: pipe.counts.lost["export_failed"], "one line lost", accept=lambda actual: actual == 1)
    writer.close(1)
    check_balance(pipe.counts)


def test_a_descriptor_made_non_blocking_loses_nothing(pipe: _Pipe) -> None:
    flags = fcntl.fcntl(pipe.writer, fcntl.F_GETFL)
    fcntl.fcntl(pipe.writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    writer = LineWriter(pipe.writer, counts=pipe.counts)
    for _ in range(300):
        writer.write(b"x" * 999 + b"\n")
    assert pipe.read_all(300_000) == (b"x" * 999 + b"\n") * 300
    writer.close(1)
    check_balance(pipe.counts)


def test_threads_write_whole_lines(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, counts=pipe.counts)

    def write(number: int) -> None:
        for _ in range(200):
            writer.write(b"%d" % number * 100 + b"\n")

    with threads_at_work(8, write):
        lines = pipe.read_all(8 * 200 * 101).splitlines()
    assert len(lines) == 1600
    assert all(len(set(line)) == 1 and len(line) == 100 for line in lines)
    writer.close(1)


class _Late:
    def __init__(self, text: bytes | None) -> None:
        self._text = text

    def __call__(self) -> bytes:
        if self._text is None:
            raise ValueError("can't be put together")
        return self._text


def test_lines_rendered_later_keep_their_order_and_size(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, max_bytes=1000, counts=pipe.counts)
    writer.write(b"one\n")
    writer.write_later(_Late(b"two\n"), 900)
    writer.write_later(_Late(b"too much\n"), 97)
    writer.write(b"three\n")
    assert pipe.read_all(14) == b"one\ntwo\nthree\n"
    assert writer.flush(5)
    assert (pipe.counts.delivered, pipe.counts.lost["queue_full"]) == (3, 1)
    writer.write_later(_Late(b"again\n"), 1000)
    assert pipe.read_all(6) == b"again\n"
    writer.close(1)
    check_balance(pipe.counts)


def test_a_line_that_cannot_be_rendered_is_counted_and_loses_no_other(pipe: _Pipe) -> None:
    writer = LineWriter(pipe.writer, counts=pipe.counts)
    writer.write(b"before\n")
    writer.write_later(_Late(None), 10)
    writer.write(b"after\n")
    assert pipe.read_all(13) == b"before\nafter\n"
    assert writer.flush(5)
    assert (pipe.counts.delivered, pipe.counts.lost["internal_error"]) == (2, 1)
    writer.close(1)
    check_balance(pipe.counts)


def test_a_sleeping_thread_is_woken_by_the_next_line(pipe: _Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_GATHER", 0.001)
    writer = LineWriter(pipe.writer, counts=pipe.counts)
    for number in range(3):
        eventually(lambda: not writer._wake.is_set(), "the thread at rest")
        writer.write(b"line %d\n" % number)
        assert pipe.read_all(7) == b"line %d\n" % number
    writer.close(1)
    check_balance(pipe.counts)
