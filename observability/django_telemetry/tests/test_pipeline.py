"""The span pipeline with backends that refuse, hang, fail, answer slowly, truncate, reject a part, and recover."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django_telemetry import breaker, tracing
from django_telemetry.accounting import Account
from django_telemetry.conf import get_config, load
from django_telemetry.pipeline import SpanPipeline
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from platform_testing.polling import eventually

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
    spans_sent,
)


class _Rig:
    """A pipeline with its own account, and a provider that feeds it."""

    def __init__(self, endpoint: str, **changes: Any) -> None:
        self.counts = Account("test")
        defaults: dict[str, Any] = {"batch_delay": 0.02, "traces_timeout": 0.5, "batch_max_spans": 16}
        config = replace(get_config(), traces_endpoint=endpoint, **{**defaults, **changes})
        self.pipeline = SpanPipeline(config, self.counts)
        self.provider: TracerProvider = tracing.build_provider(config)
        self.provider.add_span_processor(self.pipeline)
        self.tracer = self.provider.get_tracer("test")

    def make(self, count: int, text: str = "") -> None:
        for number in range(count):
            self.tracer.start_span(f"span {number}", attributes={"text": text} if text else None).end()


@pytest.fixture
def rig(short_pauses: None) -> Iterator[Callable[..., _Rig]]:
    made: list[_Rig] = []

    def build(endpoint: str, **changes: Any) -> _Rig:
        made.append(_Rig(endpoint, **changes))
        return made[-1]

    yield build
    for each in made:
        each.pipeline.close(0.1)


@contextmanager
def _at_most(seconds: float, what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    assert took < seconds, f"{what} took {took:.2f} s, allowed are {seconds} s"


def test_everything_arrives_at_a_healthy_backend(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(f"{backend.url}/v1/traces", traces_headers={"api-key": "k"})
    under.make(100)
    assert under.pipeline.force_flush(5000)
    assert (under.counts.made, under.counts.delivered) == (100, 100)
    assert len(spans_sent(backend)) == 100
    method, path, headers, _ = backend.requests[0]
    assert (method, path, headers["content-type"]) == ("POST", "/v1/traces", "application/x-protobuf")
    assert headers["api-key"] == "k"
    check_balance(under.counts)


def test_spans_below_a_full_batch_are_sent_after_the_delay(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(backend.url)
    under.make(1)
    eventually(lambda: under.counts.delivered, "one span delivered", accept=lambda actual: actual == 1)


def test_unsampled_spans_are_not_created(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(backend.url, sampler="always_off")
    under.make(10)
    assert under.counts.made == 0


FAULTS: dict[str, Answer] = {
    "503": respond(503),
    "429 with Retry-After": respond(429, headers={"Retry-After": "0"}),
    "garbage": hang_up_after(b"this is no HTTP\r\n\r\n"),
    "dropped": drop,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_retried_until_the_backend_recovers(
    rig: Callable[..., _Rig], backend: HttpBackend, fault: str
) -> None:
    backend.answer = FAULTS[fault]
    under = rig(backend.url)
    under.make(20)
    eventually(lambda: len(backend.requests), "a second attempt", accept=lambda actual: actual >= 2)
    backend.answer = respond(200)
    eventually(lambda: under.counts.delivered, "20 spans delivered", accept=lambda actual: actual == 20)
    assert sum(under.counts.lost.values()) == 0
    check_balance(under.counts)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_batch_that_stays_refused_is_dropped_and_counted(
    rig: Callable[..., _Rig], backend: HttpBackend, fault: str
) -> None:
    backend.answer = FAULTS[fault]
    under = rig(backend.url)
    under.make(10)
    eventually(lambda: under.counts.lost["export_failed"], "10 spans given up", accept=lambda actual: actual == 10)
    assert len(backend.requests) == 6, "six attempts, then it is given up"
    check_balance(under.counts)


def test_a_permanent_rejection_is_not_retried(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    backend.answer = respond(400)
    under = rig(backend.url)
    under.make(5)
    eventually(lambda: under.counts.lost["export_failed"], "5 spans given up", accept=lambda actual: actual == 5)
    assert len(backend.requests) == 1


def test_an_answer_truncated_after_its_status_counts_by_the_status(
    rig: Callable[..., _Rig], backend: HttpBackend
) -> None:
    backend.answer = cut_off(b"\x0a")
    under = rig(backend.url)
    under.make(5)
    eventually(lambda: under.counts.delivered, "5 spans delivered", accept=lambda actual: actual == 5)
    assert len(backend.requests) == 1, "sending it again would store the spans twice"


def test_spans_that_the_collector_rejects_are_counted(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    answer = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=3))
    backend.answer = respond(200, answer.SerializeToString())
    # All in one batch, however slowly they are created: the backend rejects three spans per request.
    under = rig(backend.url, batch_max_spans=10, batch_delay=60.0)
    under.make(10)
    eventually(
        lambda: under.counts.delivered + under.counts.lost["export_failed"],
        "ten spans settled",
        accept=lambda actual: actual == 10,
    )
    assert (under.counts.delivered, under.counts.lost["export_failed"]) == (7, 3)


def test_a_backend_that_was_unavailable_receives_spans_after_its_recovery(rig: Callable[..., _Rig]) -> None:
    port = free_port()
    under = rig(f"http://127.0.0.1:{port}", queue_max_spans=50)
    under.make(80)
    eventually(
        lambda: under.counts.lost["queue_full"],
        "30 spans dropped from the full queue",
        accept=lambda actual: actual == 30,
    )
    late = HttpBackend(port=port)
    try:
        eventually(
            lambda: under.counts.delivered + under.counts.lost["export_failed"],
            "the 50 spans of the queue settled",
            accept=lambda actual: actual == 50,
            timeout=20,
        )
        under.make(10)
        before = under.counts.delivered
        eventually(
            lambda: under.counts.delivered,
            "the spans after the outage delivered",
            accept=lambda actual: actual == before + 10 or actual >= 10,
        )
        assert under.pipeline.force_flush(5000)
        check_balance(under.counts)
    finally:
        late.close()


@pytest.mark.parametrize("away", ["refuses", "hangs", "slow"])
def test_the_caller_never_waits(rig: Callable[..., _Rig], backend: HttpBackend, away: str) -> None:
    backend.answer = {"hangs": backend.hang, "slow": respond(200, delay=0.3), "refuses": respond(200)}[away]
    under = rig(f"http://127.0.0.1:{free_port()}" if away == "refuses" else backend.url, queue_max_spans=200)
    slow = 0
    for _ in range(2000):
        start = time.perf_counter()
        under.make(1)
        slow += time.perf_counter() - start > 0.1
    # A loaded machine may delay a few calls; waiting for the backend would delay every call.
    assert slow <= 5, f"ending a span took more than 0.1 s {slow} times of 2000"
    check_balance(under.counts)


def test_the_queue_is_bounded_by_count(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    backend.answer = backend.hang
    under = rig(backend.url, queue_max_spans=30)
    under.make(100)
    assert under.counts.waiting() == 30
    assert under.counts.lost["queue_full"] == 70
    check_balance(under.counts)


def test_the_queue_is_bounded_by_bytes(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    backend.answer = backend.hang
    under = rig(backend.url, queue_max_bytes=100_000, attribute_value_limit=10_000)
    under.make(100, text="x" * 9000)
    assert 8 <= under.counts.waiting() <= 11
    check_balance(under.counts)


def test_memory_stays_flat_while_the_backend_is_unavailable(rig: Callable[..., _Rig]) -> None:
    # Accepts connections and never responds; unlike HttpBackend it keeps nothing of the requests in this process.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        under = rig(f"http://127.0.0.1:{silent.getsockname()[1]}", queue_max_spans=500)
        check_memory_stays_flat(
            lambda: under.make(1000, text="y" * 500),
            lambda: under.make(5000, text="y" * 500),
            "5000 spans that could not be sent",
        )


def test_closing_sends_what_is_queued(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    under = rig(backend.url, batch_delay=60)
    under.make(10)
    under.pipeline.close(2)
    assert under.counts.delivered == 10
    under.make(3)
    assert under.counts.lost["shutdown"] == 3
    check_balance(under.counts)


@pytest.mark.parametrize("away", ["refuses", "hangs", "503"])
def test_closing_takes_at_most_its_timeout_and_counts_the_rest(
    rig: Callable[..., _Rig], backend: HttpBackend, away: str
) -> None:
    backend.answer = {"hangs": backend.hang, "503": respond(503), "refuses": respond(200)}[away]
    under = rig(
        f"http://127.0.0.1:{free_port()}" if away == "refuses" else backend.url, traces_timeout=10.0, batch_delay=60
    )
    under.make(10)
    with _at_most(1.5, "closing"):
        under.pipeline.close(1.0)
    assert under.counts.lost["shutdown"] == 10
    check_balance(under.counts)


def test_every_span_of_many_threads_is_accounted_for(rig: Callable[..., _Rig], backend: HttpBackend) -> None:
    backend.answer = respond(200, delay=0.02)
    under = rig(f"{backend.url}/v1/traces", queue_max_spans=100)
    in_threads(8, lambda _: under.make(500))
    under.pipeline.close(5)
    assert under.counts.made == 4000
    check_balance(under.counts)
    assert len(spans_sent(backend)) == under.counts.delivered


def test_a_breaker_stays_open_longer_after_each_failure_and_closes_after_one_success() -> None:
    now = [0.0]
    under = breaker.CircuitBreaker(lambda: now[0])
    pauses = []
    for _ in range(8):
        under.failed()
        assert not under.allows()
        pauses.append(under.pause())
        now[0] += under.pause()
        assert under.allows()
    assert pauses[0] <= breaker.FIRST_PAUSE
    assert breaker.LONGEST_PAUSE / 2 <= pauses[-1] <= breaker.LONGEST_PAUSE
    under.failed(at_least=40)
    assert under.pause() == pytest.approx(40)
    under.succeeded()
    assert under.allows()


def test_spans_are_sent_to_a_collector_with_a_private_certificate_authority(tmp_path: Path) -> None:
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    collector = HttpBackend(respond(200), tls=context)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate)}
    config = load(environ)
    pipeline = SpanPipeline(config, counts := Account("test"))
    provider = tracing.build_provider(config)
    provider.add_span_processor(pipeline)
    try:
        provider.get_tracer("test").start_span("work").end()
        assert pipeline.force_flush(10_000)
        assert counts.delivered == 1, pipeline.last_failure
    finally:
        pipeline.close(0)
        collector.close()
