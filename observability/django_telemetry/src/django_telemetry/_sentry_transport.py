"""A transport for sentry-sdk that never blocks the caller: a bounded queue, one thread, timeouts and a breaker."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import deque
from contextlib import suppress

import urllib3
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn

from ._fork import after_fork, notice
from ._guard import internal_error, report
from ._threads import start_thread
from .accounting import INTERNAL_ERROR, Account, account
from .breaker import CircuitBreaker, retry_after

logger = logging.getLogger(__name__)

MAX_QUEUED = 100
MAX_BYTES = 4 * 1024 * 1024
_TIMEOUT = urllib3.Timeout(connect=1.0, read=2.0)


class BoundedTransport(Transport):
    """Sends envelopes to the configured targets: a DSN, a Spotlight sidecar, or both.

    An envelope counts as delivered when at least one target accepted it. While a target is down its breaker is open and
    its envelopes are dropped at once, to bound memory.
    """

    def __init__(self, dsn: str, spotlight: str, counts: Account | None = None) -> None:
        super().__init__()
        self._targets: list[tuple[str, dict[str, str]]] = []
        headers = {"Content-Type": "application/x-sentry-envelope"}
        if dsn:
            auth = Dsn(dsn).to_auth("django_telemetry")
            self._targets.append((auth.get_api_url(), {**headers, "X-Sentry-Auth": auth.to_header()}))
        if spotlight:
            self._targets.append((spotlight, headers))
        self._counts = counts or account("errors")
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        self._counts.after_fork()
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._condition = threading.Condition()
        self._closed = False
        self._busy = False
        self._thread: threading.Thread | None = None
        self._breakers = [CircuitBreaker() for _ in self._targets]
        self._http = urllib3.PoolManager(num_pools=4, maxsize=1, retries=False, timeout=_TIMEOUT)
        self._counts.waiting = lambda: len(self._queue) + self._busy

    def capture_envelope(self, envelope: Envelope) -> None:
        """Queue ``envelope``. When the queue is full, drop and count it."""
        buffer = io.BytesIO()
        try:
            envelope.serialize_into(buffer)
        except Exception:
            internal_error("errors", "the serialisation of an error report")
            return
        body = buffer.getvalue()
        notice()
        with self._condition:
            self._counts.made += 1
            if self._closed:
                self._counts.lost["shutdown"] += 1
                return
            if len(self._queue) >= MAX_QUEUED or self._bytes + len(body) > MAX_BYTES:
                self._counts.lost["queue_full"] += 1
                return
            self._queue.append(body)
            self._bytes += len(body)
            if self._thread is None:
                self._thread = start_thread(self._run, "telemetry-errors")
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self._closed:
                    self._condition.wait()
                if not self._queue:
                    return
                body = self._queue.popleft()
                self._bytes -= len(body)
                self._busy = True
            reason = "export_failed"
            try:
                delivered = self._send(body)
            except Exception:  # otherwise this thread would end, and no report would be sent any more
                report("the export of error reports")
                delivered, reason = False, INTERNAL_ERROR
            with self._condition:
                if self._busy:  # otherwise close() has already counted it as lost
                    if delivered:
                        self._counts.delivered += 1
                    else:
                        self._counts.lost[reason] += 1
                self._busy = False
                self._condition.notify_all()

    def _send(self, body: bytes) -> bool:
        delivered = False
        for (url, headers), breaker in zip(self._targets, self._breakers, strict=True):
            if not breaker.allows():
                continue
            try:
                response = self._http.request(
                    "POST", url, body=body, headers=headers, redirect=False, preload_content=False
                )
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                breaker.failed()
                logger.debug("An error report could not be sent: %s", type(exc).__name__)
                continue
            with suppress(urllib3.exceptions.HTTPError, OSError):
                response.read(65536)  # only the status matters; read the body to reuse the connection
            response.release_conn()
            if response.status < 300:
                breaker.succeeded()
                delivered = True
            elif response.status in (400, 401, 403, 413):
                breaker.succeeded()  # the target is up but rejected this envelope
            else:
                breaker.failed(retry_after(response.headers.get("Retry-After")))
        return delivered

    def flush(self, timeout: float, callback: object = None) -> None:
        """Wait until the queue is empty, ``timeout`` seconds at most."""
        end = time.monotonic() + timeout
        with self._condition:
            while (self._queue or self._busy) and (left := end - time.monotonic()) > 0:
                self._condition.wait(left)

    def drain(self) -> None:
        """Does nothing: the thread is already sending what is queued."""

    def close(self, timeout: float) -> None:
        """Flush for at most ``timeout`` seconds, then count the rest as lost."""
        self.flush(timeout)
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._counts.lost["shutdown"] += len(self._queue) + self._busy
            self._queue.clear()
            self._bytes = 0
            self._busy = False
            self._condition.notify_all()

    def kill(self) -> None:
        """Called by sentry-sdk when a client is replaced."""
        self.close(0)
