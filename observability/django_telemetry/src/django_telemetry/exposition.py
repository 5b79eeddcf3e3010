"""The metrics port: OpenMetrics with exemplars on its own socket, separate from the public one."""

from __future__ import annotations

import copy
import errno
import gzip
import hmac
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from ._fork import in_worker
from ._guard import internal_error, report
from ._plain import name_of
from .conf import TelemetryConfig

logger = logging.getLogger(__name__)

_RETRY = 0.5


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    request_queue_size = 16
    registry: CollectorRegistry
    token: str

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: a scraper that disconnects is normal, and the default prints a stack trace to stderr."""
        logger.debug("A scrape from %s was broken off.", client_address)


class _Handler(BaseHTTPRequestHandler):
    """Serves only GET /metrics."""

    server_version = "django-telemetry"
    sys_version = ""
    # Seconds; a client that connects and sends nothing must not occupy a thread.
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"Only /metrics is here.\n", "text/plain; charset=utf-8")
            return
        if self.server.token:
            offered = self.headers.get("Authorization", "")
            if not hmac.compare_digest(offered.encode(), f"Bearer {self.server.token}".encode()):
                self._answer(401, b"A bearer token is needed.\n", "text/plain; charset=utf-8", authenticate=True)
                return
        body, content_type = expose(self.server.registry, self.headers.get("Accept", ""))
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._answer(200, gzip.compress(body, 1), content_type, encoding="gzip")
        else:
            self._answer(200, body, content_type)

    def _answer(
        self, status: int, body: bytes, content_type: str, *, encoding: str = "", authenticate: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if authenticate:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: a line per scrape is noise."""


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """(body, content type) of a scrape. A collector, family or sample that fails doesn't cost the others."""
    encoder, content_type = choose_encoder(accept)
    try:
        return encoder(registry), content_type
    except Exception:
        report("a scrape")
    parts = [_encoded(encoder, family) for collector in _collectors(registry) for family in _families(collector)]
    end = b"# EOF\n"
    whole = b"".join(part.removesuffix(end) for part in parts)
    return whole + (end if encoder(CollectorRegistry()).endswith(end) else b""), content_type


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    with registry._lock:
        return list(registry._collector_to_names)


def _families(collector: Collector) -> list[Metric]:
    try:
        return list(collector.collect())
    except Exception:
        internal_error("metrics", f"the collector {name_of(type(collector))}")
        return []


class _Only:
    """A registry with one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> list[Metric]:
        return [self._family]


def _encoded(encoder: Callable[[Any], bytes], family: Metric) -> bytes:
    try:
        return encoder(_Only(family))
    except Exception:
        internal_error("metrics", f"the metric {family.name}")
    good = copy.copy(family)
    good.samples = [sample for sample in family.samples if _is_encodable(encoder, family, sample)]
    try:
        return encoder(_Only(good))
    except Exception:
        return b""


def _is_encodable(encoder: Callable[[Any], bytes], family: Metric, sample: Sample) -> bool:
    alone = copy.copy(family)
    alone.samples = [sample]
    try:
        encoder(_Only(alone))
    except Exception:
        return False
    return True


class MetricsServer:
    """Serves a registry. While the port is in use (by a worker that is shutting down) it retries."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, token: str = "") -> None:
        self._address = (host, port)
        self._registry = registry
        self._token = token
        self._closed = threading.Event()
        self._server: _Server | None = None

    def start(self) -> None:
        """Serve in a daemon thread. Doesn't raise when the port is in use: telemetry must not stop the service."""
        threading.Thread(target=self._run, name="telemetry-metrics", daemon=True).start()

    def _run(self) -> None:
        warned = False
        while not self._closed.is_set():
            try:
                server = _Server(self._address, _Handler)
            except OSError as exc:
                if not warned:
                    warned = True
                    reason = "is taken" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
                    logger.warning("Metrics port %s:%d %s; trying again until it is free.", *self._address, reason)
                self._closed.wait(_RETRY)
                continue
            server.registry, server.token = self._registry, self._token
            self._server = server
            server.serve_forever(poll_interval=0.5)
            server.server_close()
            return

    @property
    def port(self) -> int | None:
        """The bound port; None while not serving."""
        return self._server.server_address[1] if self._server is not None else None

    def wait_until_serving(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the port is open. Returns whether it is."""
        end = time.monotonic() + timeout
        while self._server is None and time.monotonic() < end:
            time.sleep(0.01)
        return self._server is not None

    def drain(self) -> None:
        """Does nothing: metrics are pulled."""

    def close(self, _timeout: float = 0.0) -> None:
        self._closed.set()
        if self._server is not None:
            threading.Thread(target=self._server.shutdown, daemon=True).start()


def start(config: TelemetryConfig, registry: CollectorRegistry) -> MetricsServer | None:
    """Serve ``registry`` on TELEMETRY_METRICS_PORT; None without a port or in the autoreloader's outer process."""
    if config.metrics_port is None or not config.on("metrics"):
        return None
    if _is_autoreload_watcher():
        return None
    server = MetricsServer(config.metrics_host, config.metrics_port, registry, config.metrics_token)
    in_worker(server.start)
    return server


def _is_autoreload_watcher() -> bool:
    """Whether this is runserver's outer process, which only watches files and would occupy the inner one's port."""
    return "runserver" in sys.argv[1:2] and "--noreload" not in sys.argv and os.environ.get("RUN_MAIN") != "true"
