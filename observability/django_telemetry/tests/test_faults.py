"""Error reporting and the metrics port with the same faults as the span pipeline; threads that can't be started.

Each signal and fault, and where it is tested:

========== ======================================= ==========================================
fault      traces (test_pipeline), errors (here)   logs (test_writer): the reader of stdout
========== ======================================= ==========================================
refuses    no listener                             has closed the pipe
hangs      never answers                           doesn't read (full pipe)
503        answers 503                             --
slow       answers late                            reads slowly
truncates  closes during the answer                accepts part of a write (non-blocking)
recovers   works again                             reads again
========== ======================================= ==========================================

The metrics port is scraped, so it never waits for a backend.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from django_telemetry import _sentry_transport, _threads
from django_telemetry._sentry_transport import MAX_QUEUED, BoundedTransport
from django_telemetry.accounting import Account
from django_telemetry.exposition import MetricsServer
from django_telemetry.writer import LineWriter
from platform_testing.polling import eventually
from prometheus_client import CollectorRegistry
from sentry_sdk.envelope import Envelope

from .harness import (
    Answer,
    HttpBackend,
    check_balance,
    check_memory_stays_flat,
    cut_off,
    drop,
    free_port,
    hang_up_after,
    in_threads,
    respond,
)


class _Rig:
    """A transport with its own account."""

    def __init__(self, port: int, spotlight: str = "") -> None:
        self.counts = Account("test")
        self.transport = BoundedTransport(f"http://key@127.0.0.1:{port}/1", spotlight, self.counts)

    def send(self, count: int, text: str = "x") -> int:
        """Report ``count`` errors and return how many blocked their caller."""
        slow = 0
        for _ in range(count):
            envelope = Envelope()
            envelope.add_event({"message": text})
            start = time.perf_counter()
            self.transport.capture_envelope(envelope)
            slow += time.perf_counter() - start > 0.1
        return slow

    def settle(self) -> None:
        """Wait until the queue is empty."""
        eventually(self.counts.waiting, "no error report waiting", accept=lambda waiting: not waiting)


@pytest.fixture
def rig(short_pauses: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., _Rig]]:
    monkeypatch.setattr(_sentry_transport, "_TIMEOUT", urllib3.Timeout(connect=0.5, read=0.5))
    made: list[_Rig] = []

    def build(port: int, **options: Any) -> _Rig:
        made.append(_Rig(port, **options))
        return made[-1]

    yield build
    for each in made:
        each.transport.close(0.1)


@pytest.fixture
def faults(backend: HttpBackend) -> dict[str, Answer]:
    return {
        "hangs": backend.hang,
        "503": respond(503),
        "429 with Retry-After": respond(429, headers={"Retry-After": "0"}),
        "drops": drop,
        "truncates": hang_up_after(b"HTTP/1."),
    }


@pytest.mark.parametrize("fault", ["refuses", "hangs", "503", "429 with Retry-After", "drops", "truncates"])
def test_reporting_an_error_never_waits_and_is_accounted_for(
    rig: Callable[..., _Rig], backend: HttpBackend, faults: dict[str, Answer], fault: str
) -> None:
    if fault != "refuses":
        backend.answer = faults[fault]
    under = rig(free_port() if fault == "refuses" else backend.port)
    # A loaded machine may delay a few calls; waiting for the backend would delay every call.
    assert under.send(MAX_QUEUED) <= 3
    under.settle()
    assert under.counts.lost["export_failed"] == MAX_QUEUED
    assert len(backend.requests) < MAX_QUEUED / 2, "the breaker should have spared most attempts"
    check_balance(under.counts)


@pytest.mark.parametrize("fault", ["hangs", "503", "drops", "truncates"])
def test_a_backend_that_recovers_receives_errors_again(
    rig: Callable[..., _Rig], backend: HttpBackend, faults: dict[str, Answer], fault: str
) -> None:
    backend.answer = faults[fault]
    under = rig(backend.port)
    under.send(3)
    under.settle()
    backend.answer = respond(200)

    def arrives() -> bool:
        under.send(1)
        under.settle()
        return under.counts.delivered > 0

    eventually(arrives, "an error report at the recovered backend")
    before = under.counts.delivered
    under.send(5)
    under.settle()
    assert under.counts.delivered == before + 5
    check_balance(under.counts)


def test_a_slow_backend_receives_what_the_queue_holds(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    backend.answer = respond(200, delay=0.01)
    under = rig(backend.port)
    assert under.send(MAX_QUEUED * 2) <= 3
    under.settle()
    assert under.counts.delivered == len(backend.requests)
    assert under.counts.lost["queue_full"] > 0
    check_balance(under.counts)


def test_an_answer_truncated_after_its_status_counts_as_delivered(
    rig: Callable[..., _Rig], backend: HttpBackend
) -> None:
    backend.answer = cut_off(b"{")
    under = rig(backend.port)
    under.send(3)
    under.settle()
    assert (under.counts.delivered, len(backend.requests)) == (3, 3)


def test_one_of_two_targets_is_enough(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(free_port(), spotlight=f"{backend.url}/stream")
    under.send(10)
    under.settle()
    assert under.counts.delivered == 10


def test_the_queue_of_errors_is_bounded_by_bytes(
    rig: Callable[..., _Rig], backend: HttpBackend, faults: dict[str, Answer]
) -> None:
    backend.answer = faults["hangs"]
    under = rig(backend.port)
    under.send(50, text="x" * 200_000)
    assert under.counts.lost["queue_full"] >= 28
    check_balance(under.counts)


def test_memory_stays_flat_while_errors_cannot_be_sent(
    rig: Callable[..., _Rig], backend: HttpBackend, faults: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the test: a queue that is dropped and refilled during the test would look like growth.
    monkeypatch.setattr(_sentry_transport, "_TIMEOUT", urllib3.Timeout(connect=0.5, read=60))
    backend.answer = faults["hangs"]
    under = rig(backend.port)
    check_memory_stays_flat(
        lambda: under.send(2 * MAX_QUEUED, text="y" * 5000),
        lambda: under.send(2000, text="y" * 5000),
        "2000 errors that could not be sent",
    )
    check_balance(under.counts)


@pytest.mark.parametrize("fault", ["refuses", "hangs", "503"])
def test_closing_counts_what_is_left(
    rig: Callable[..., _Rig], backend: HttpBackend, faults: dict[str, Answer], fault: str
) -> None:
    if fault != "refuses":
        backend.answer = faults[fault]
    under = rig(free_port() if fault == "refuses" else backend.port)
    under.send(10)
    start = time.monotonic()
    under.transport.close(0.3)
    assert time.monotonic() - start < 1.3
    under.send(2)
    assert under.counts.waiting() == 0
    assert under.counts.lost["shutdown"] >= 2
    check_balance(under.counts)


def test_every_error_of_many_threads_is_accounted_for(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(backend.port)
    in_threads(8, lambda _: under.send(50))
    under.settle()
    assert under.counts.made == 400
    assert under.counts.delivered == len(backend.requests)
    check_balance(under.counts)


class _NoThread(threading.Thread):
    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_system_out_of_threads_affects_only_telemetry(
    rig: Callable[..., _Rig], backend: HttpBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    under = rig(backend.port)
    counts = Account("test")
    with (tmp_path / "lines").open("wb") as file:
        writer = LineWriter(file.fileno(), counts=counts)
        with monkeypatch.context() as without:
            without.setattr(_threads.threading, "Thread", _NoThread)
            under.send(3)
            writer.write(b"one\n")
        assert (under.counts.waiting(), counts.waiting()) == (3, 1)
        under.send(1)
        under.settle()
        writer.write(b"two\n")
        assert writer.flush(5)
        writer.close(1)
    assert under.counts.delivered == 4
    assert counts.delivered == 2


def test_a_scraper_that_never_asks_and_one_that_never_reads_block_no_request() -> None:
    registry = CollectorRegistry()
    server = MetricsServer("127.0.0.1", 0, registry)
    server.start()
    assert server.wait_until_serving(5)
    address = ("127.0.0.1", server.port or 0)
    silent, deaf = socket.create_connection(address), socket.create_connection(address)
    deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    with silent, deaf:
        for _ in range(5):
            assert urllib3.request("GET", f"http://127.0.0.1:{server.port}/metrics", timeout=5).status == 200
    server.close()
