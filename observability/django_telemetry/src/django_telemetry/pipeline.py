"""Exports finished spans to the collector: bounded in memory and time, with every span accounted for."""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from ._fork import after_fork, notice
from ._guard import report
from ._span import ATTRIBUTE_BYTES, SPAN_BYTES, LightSpan
from ._threads import start_thread
from .accounting import INTERNAL_ERROR, Account, account
from .breaker import CircuitBreaker, retry_after
from .conf import TelemetryConfig
from .encoding import encode_spans

logger = logging.getLogger(__name__)

_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
_MAX_ATTEMPTS = 6
# Number of spans to encode (0.1 to 0.2 ms) before yielding the GIL to requests.
_AT_A_TIME = 32
_PAUSE = 0.0002


class SpanPipeline(SpanProcessor):
    """Queues finished spans and sends them from one thread. Never blocks the caller and never raises into it.

    The queue is limited in spans and estimated bytes; above either limit a new span is dropped and counted
    (queue_full). A batch that the collector doesn't accept is retried with growing, jittered pauses. After six
    attempts, or when the collector rejects it permanently, it is dropped and counted (export_failed). Spans left at
    exit are counted as shutdown.
    """

    def __init__(self, config: TelemetryConfig, counts: Account | None = None) -> None:
        self._endpoint = config.traces_endpoint
        self._headers = {
            **config.traces_headers,
            "Content-Type": "application/x-protobuf",
            "User-Agent": "django-telemetry",
        }
        self._gzip = config.traces_compression == "gzip"
        if self._gzip:
            self._headers["Content-Encoding"] = "gzip"
        self._tls: dict[str, Any] = {
            "ca_certs": config.traces_ca or None,
            "cert_file": config.traces_client_certificate or None,
            "key_file": config.traces_client_key or None,
        }
        self._timeout = urllib3.Timeout(connect=min(2.0, config.traces_timeout), read=config.traces_timeout)
        self._max_spans = config.queue_max_spans
        self._max_bytes = config.queue_max_bytes
        self._batch = min(config.batch_max_spans, config.queue_max_spans)
        self._delay = config.batch_delay
        self._counts = counts or account("traces")
        # The reason of the last failure, for the check command.
        self.last_failure = ""
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        # Also in a forked child: the parent sends what it had queued, and its thread and sockets don't exist here.
        self._counts.after_fork()
        self._lock = threading.Lock()
        self._queue: deque[tuple[ReadableSpan, int]] = deque()
        self._bytes = 0
        self._current: list[tuple[ReadableSpan, int]] = []
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._breaker = CircuitBreaker()
        self._http = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=self._timeout, **self._tls)
        self._counts.waiting = lambda: len(self._queue) + len(self._current)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a finished span, or drop and count it."""
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        notice()
        size = (span.size if isinstance(span, LightSpan) else 0) or _estimate_or_guess(span)
        with self._lock:
            self._counts.made += 1
            if self._closing.is_set():
                self._counts.lost["shutdown"] += 1
                return
            if len(self._queue) + len(self._current) >= self._max_spans or self._bytes + size > self._max_bytes:
                self._counts.lost["queue_full"] += 1
                return
            self._queue.append((span, size))
            self._bytes += size
            waiting = len(self._queue)
            if self._thread is None:
                self._thread = start_thread(self._run, "telemetry-traces")
        if waiting >= self._batch and not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._delay)
            self._wake.clear()
            while self._take():
                if not self._deliver():
                    return
            if self._closing.is_set():
                return

    def _take(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            count = min(self._batch, len(self._queue))
            self._current = [self._queue.popleft() for _ in range(count)]
            return bool(self._current)

    def _deliver(self) -> bool:
        """Send the current batch until it is accepted or dropped. False when the process exits meanwhile."""
        try:
            return self._send()
        except Exception:  # otherwise this thread would end, and no span would be sent any more
            report("the export of spans")
            return self._settle(delivered=0, internal=len(self._current))

    def _send(self) -> bool:
        lost: list[ReadableSpan] = []
        body = encode_spans(self._yielding_the_gil(), lost)
        size = len(self._current) - len(lost)
        if self._gzip:
            body = gzip.compress(body, 1)
        for _attempt in range(_MAX_ATTEMPTS if size else 0):
            if self._closing.wait(self._breaker.pause()) and self._breaker.is_open:
                return False  # the collector is down: don't delay the exit
            delivered, final = self._post(body, size)
            if final:
                return self._settle(delivered, len(lost))
        return self._settle(0, len(lost))

    def _yielding_the_gil(self) -> Iterator[ReadableSpan]:
        """The current batch's spans, with pauses: requests would otherwise wait for the GIL until all are encoded."""
        for number, (span, _) in enumerate(self._current):
            if number % _AT_A_TIME == _AT_A_TIME - 1 and not self._closing.is_set():
                time.sleep(_PAUSE)
            yield span

    def _post(self, body: bytes, size: int) -> tuple[int, bool]:
        """Make one attempt to send ``size`` spans. Returns (spans accepted by the collector, whether that is final)."""
        try:
            response = self._http.request(
                "POST", self._endpoint, body=body, headers=self._headers, preload_content=False, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            self._breaker.failed()
            self.last_failure = type(exc).__name__
            logger.debug("Spans could not be sent to %s: %s", self._endpoint, type(exc).__name__)
            return 0, False
        try:
            try:
                answer = response.read(65536)
            except (urllib3.exceptions.HTTPError, OSError):
                answer = b""  # the status decides; a truncated body doesn't change it
            if 200 <= response.status < 300:
                self._breaker.succeeded()
                return size - min(size, _rejected(answer)), True
            self.last_failure = f"status {response.status}"
            if response.status in _RETRYABLE:
                self._breaker.failed(retry_after(response.headers.get("Retry-After")))
                return 0, False
            self._breaker.succeeded()
            logger.warning("The collector refused %d spans with status %d.", size, response.status)
            return 0, True
        finally:
            response.release_conn()

    def _settle(self, delivered: int, internal: int = 0) -> bool:
        """Count the current batch, with ``internal`` spans that could not be encoded.

        False when close() has already counted it.
        """
        with self._lock:
            if self._closed:
                return False
            self._counts.delivered += delivered
            self._counts.lost["export_failed"] += len(self._current) - delivered - internal
            self._counts.lost[INTERNAL_ERROR] += internal
            self._bytes -= sum(size for _, size in self._current)
            self._current = []
            return True

    def drain(self) -> None:
        """Start sending what is queued at once; new spans are counted as lost (shutdown)."""
        with self._lock:
            self._closing.set()
            if self._thread is None and self._queue:  # no thread could be started before
                self._thread = start_thread(self._run, "telemetry-traces")
        self._wake.set()

    def close(self, timeout: float) -> None:
        """Send what is queued within ``timeout`` seconds; the rest is counted as lost (shutdown)."""
        self.drain()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            left = len(self._queue) + len(self._current)
            self._counts.lost["shutdown"] += left
            self._queue.clear()
            self._current = []
            self._bytes = 0
        if left:
            logger.warning("%d spans were not sent before the process ended.", left)

    def shutdown(self) -> None:
        """Called by the SDK's provider at its shutdown."""
        self.close(2.0)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait at most ``timeout_millis`` until every queued span is delivered or lost. Returns whether this is so."""
        end = time.monotonic() + timeout_millis / 1000
        while True:
            with self._lock:
                if not self._queue and not self._current:
                    return True
            if time.monotonic() >= end:
                return False
            self._wake.set()
            time.sleep(0.01)


def _estimate_or_guess(span: ReadableSpan) -> int:
    try:
        return _estimate(span)
    except Exception:  # an integer that str() refuses
        return 8 * SPAN_BYTES


def _estimate(span: ReadableSpan) -> int:
    """Estimated size of the span in memory, in bytes; texts dominate."""
    size = SPAN_BYTES + _text_bytes(span._attributes)
    for event in span._events:
        size += SPAN_BYTES + _text_bytes(event.attributes)
    return size


def _text_bytes(attributes: Any) -> int:
    values: Mapping[str, Any] = getattr(attributes, "_dict", attributes) or {}
    size = ATTRIBUTE_BYTES * len(values)
    for value in values.values():
        if type(value) is str:
            size += len(value)
        elif type(value) is not int:
            size += len(str(value))
    return size


def _rejected(answer: bytes) -> int:
    """The number of spans that the collector reports as rejected in a success response (partial success)."""
    if not answer:
        return 0
    try:
        return max(0, ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except Exception:  # a response that isn't protobuf reports no rejections
        return 0
