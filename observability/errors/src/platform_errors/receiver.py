"""The parts of the receiver, put together."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from platform_errors.app import App
from platform_errors.counters import Counters
from platform_errors.elasticsearch import Connection
from platform_errors.forward import Forwarder, Nowhere
from platform_errors.server import Server
from platform_errors.settings import Settings
from platform_errors.store import STREAM, Store

STOP_SECONDS = 2.0


class _Queue(Collector):
    """The size of the queue at scrape time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        documents, size = self._store.size
        yield GaugeMetricFamily("error_queue_events", "Error events that wait to be stored.", value=documents)
        yield GaugeMetricFamily("error_queue_bytes", "Bytes of these events.", value=size)
        yield GaugeMetricFamily(
            "error_store_up",
            "Whether Elasticsearch took the last error event.",
            value=int(self._store.is_reachable),
        )


class Receiver:
    """A context manager that serves while it is open. Raises OSError if it can't listen."""

    def __init__(self, settings: Settings, stream: str = STREAM, stop_seconds: float = STOP_SECONDS) -> None:
        self.counters = Counters()
        self._stop_seconds = stop_seconds
        self.store = Store(Connection(settings.elasticsearch_url), self.counters, stream)
        self.counters.registry.register(_Queue(self.store))
        ProcessCollector(registry=self.counters.registry)
        forwarding = Forwarder(settings.forward_dsn, self.counters) if settings.forward_dsn else Nowhere()
        self._server = Server(settings.host, settings.port, App(settings.key, self.store, forwarding, self.counters))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="http", daemon=True)

    def __enter__(self) -> Receiver:
        self.store.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.store.stop(self._stop_seconds)
