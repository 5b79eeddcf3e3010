"""Collects the library's telemetry, so that tests inspect all four signals in the same way."""

from __future__ import annotations

import gc
import gzip
import json
import os
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson
from django_telemetry import tracing
from django_telemetry.accounting import Account
from django_telemetry.conf import TelemetryConfig, get_config
from django_telemetry.encoding import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

if TYPE_CHECKING:
    # Most tests don't need pika.
    from django_telemetry.amqp import Consumer

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class MemoryProcessor(SpanProcessor):
    """Collects finished spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self.spans.append(span)

    def named(self, name: str) -> ReadableSpan:
        """The only span with that name. Fails with the names of all spans when there isn't exactly one."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"expected one span {name!r}, got {[span.name for span in self.spans]}"
        return found[0]

    def only(self) -> ReadableSpan:
        assert len(self.spans) == 1, f"expected one span, got {[span.name for span in self.spans]}"
        return self.spans[0]


@contextmanager
def tracing_with(**changes: Any) -> Iterator[MemoryProcessor]:
    """Trace into memory, with ``changes`` to the default configuration."""
    config: TelemetryConfig = replace(get_config(), **changes)
    provider = tracing.build_provider(config)
    memory = MemoryProcessor()
    provider.add_span_processor(memory)
    before = tracing.get_tracing()
    tracing.set_tracing(tracing.Tracing(config, provider))
    try:
        yield memory
    finally:
        tracing.set_tracing(before)


class Lines:
    """A replacement for the line writer that keeps the lines in memory."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.raw.append(line)

    def write_later(self, line: Callable[[], bytes], _size: int) -> None:
        self.raw.append(line())

    def documents(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.raw]

    def with_message(self, message: str) -> dict[str, Any]:
        found = [document for document in self.documents() if document["message"] == message]
        assert len(found) == 1, f"expected one line {message!r}, got {[d['message'] for d in self.documents()]}"
        return found[0]

    def close(self, _timeout: float) -> None:
        """Does nothing."""


class Everything:
    """All telemetry of the process, as one text per signal."""

    def __init__(self, spans: MemoryProcessor, lines: Lines, backend: HttpBackend, flush: Callable[[], None]) -> None:
        self._spans, self._lines, self._backend, self._flush = spans, lines, backend, flush

    def text(self) -> dict[str, str]:
        self._flush()
        envelopes = []
        for _, _, headers, body in self._backend.requests:
            envelopes.append(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        return {
            # Also in the OTLP form: only that has links and trace states.
            "traces": "\n".join(span.to_json() for span in self._spans.spans)
            + (encode_spans(self._spans.spans).decode("utf-8", "replace") if self._spans.spans else ""),
            "logs": b"".join(self._lines.raw).decode(),
            "errors": b"\n".join(envelopes).decode("utf-8", "replace"),
            "metrics": generate_latest(REGISTRY).decode(),
        }

    def check(self, *secrets: str, said: Iterable[str] = ("traces", "logs", "metrics")) -> None:
        """Check that no signal contains any of ``secrets``, and that each signal in ``said`` is not empty."""
        texts = self.text()
        for signal in said:
            assert texts[signal], f"{signal} is empty, so nothing was proved"
        for signal, text in texts.items():
            for secret in secrets:
                for form in (secret, json.dumps(secret)[1:-1]):
                    at = text.find(form)
                    assert at < 0, f"{secret!r} is in {signal}: …{text[max(0, at - 120) : at + 80]}…"


def sample(family: str, /, **labels: str) -> float:
    """The current value of a sample; 0 when the series doesn't exist."""
    return REGISTRY.get_sample_value(family, labels) or 0.0


@contextmanager
def grown(family: str, by: float = 1, /, **labels: str) -> Iterator[None]:
    """Check that a sample grows by exactly ``by`` inside the block."""
    before = sample(family, **labels)
    yield
    actual = sample(family, **labels) - before
    assert actual == by, f"{family}{labels} should grow by {by}, grew by {actual}"


def check_balance(counts: Account) -> None:
    """Check that created = delivered + lost (by reason) + queued, exactly."""
    delivered, lost, waiting = counts.delivered, dict(counts.lost), counts.waiting()
    actual = delivered + sum(lost.values()) + waiting
    assert counts.made == actual, (
        f"made {counts.made}, but delivered {delivered} + {lost} + waiting {waiting} = {actual}"
    )


def check_memory_stays_flat(fill: Callable[[], object], go_on: Callable[[], object], what: str) -> None:
    """Check that ``go_on`` allocates no memory permanently after ``fill`` has filled all bounded buffers."""
    tracemalloc.start()
    try:
        fill()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        go_on()
        gc.collect()
        actual = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert actual < 200_000, f"expected less than 200000 bytes more after {what}, got {actual}"


@contextmanager
def threads_at_work(count: int, job: Callable[[int], object]) -> Iterator[None]:
    """Run ``job(number)`` in ``count`` threads during the block. Fails when one raises or doesn't end."""
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            job(number)
        except Exception as failure:
            failures.append(failure)
            raise  # shown also when the block fails because of it

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end = time.monotonic() + 30
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {count} threads failed", failures)
    alive = sum(thread.is_alive() for thread in threads)
    assert alive == 0, f"{alive} of {count} threads did not end within 30 s"


def in_threads(count: int, job: Callable[[int], object]) -> None:
    """Run ``job(number)`` in ``count`` threads at once and wait for them."""
    with threads_at_work(count, job):
        """There is nothing to do beside them."""


@contextmanager
def consuming(consumer: Consumer) -> Iterator[threading.Thread]:
    """Run ``consumer`` in a thread during the block. Fails when it doesn't stop afterwards."""
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        consumer.stop()
        thread.join(10)
    assert not thread.is_alive(), "the consumer did not stop within 10 s"


def clean_environ(*prefixes: str) -> dict[str, str]:
    """The environment without the library's variables and without names that begin with one of ``prefixes``."""
    unwanted = ("TELEMETRY_", "OTEL_", "SENTRY_", *prefixes)
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def free_port() -> int:
    """A port that is currently unused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HttpBackend:
    """A real HTTP server on loopback whose answer can be changed while it runs.

    Not pytest-httpserver, whose server closes each connection after the response: here one backend hangs, drops
    connections, truncates responses, violates the protocol and recovers, on connections that stay open.
    """

    def __init__(self, answer: Answer | None = None, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer = answer or respond(200)
        self._closing = threading.Event()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self._handle_any
                raise AttributeError(name)

            def _handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                backend.requests.append((self.command, self.path, headers, body))
                backend.answer(self, body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test output readable."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Do nothing: clients that disconnect are part of the tests."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True).start()

    def hang(self, _handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        """Never answer. Ends when the backend stops, so that no thread is left."""
        self._closing.wait(30)

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def spans_sent(backend: HttpBackend) -> list[Span]:
    """The spans that the backend received on the OTLP path."""
    found: list[Span] = []
    for _, path, _, body in list(backend.requests):
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            found += [span for r in request.resource_spans for scope in r.scope_spans for span in scope.spans]
    return found


def respond(status: int, body: Any = b"", headers: dict[str, str] | None = None, delay: float = 0.0) -> Answer:
    """An answer with the given status and body, after ``delay`` seconds."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler, _request_body: bytes) -> None:
        if delay:
            time.sleep(delay)
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def drop(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """An answer that breaks the connection."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def hang_up_after(sent: bytes) -> Answer:
    """An answer that sends exactly these bytes and closes the connection."""

    def answer(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True

    return answer


def cut_off(sent: bytes) -> Answer:
    """A 200 that announces a body of 1000 bytes and closes the connection after ``sent``."""
    return hang_up_after(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + sent)
