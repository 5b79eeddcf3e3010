"""`python -m log_pipeline` serves /metrics until SIGTERM. Queries Elasticsearch at each scrape, at most every 4 s."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import requests
from platform_settings import SettingsError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from log_pipeline import elasticsearch, filebeat, settings, shipper
from log_pipeline.settings import Settings
from log_pipeline.shipper import Shipper

FRESH_SECONDS = 4.0


class PipelineCollector(Collector):
    """Queries Elasticsearch and the shipper when it is scraped."""

    def __init__(self, url: str, shipper_figures: Callable[[], Shipper]) -> None:
        self._url = url
        self._shipper_figures = shipper_figures
        self._session = requests.Session()
        self._lock = threading.Lock()
        self._looked = -FRESH_SECONDS
        self._snapshot = elasticsearch.Snapshot()
        # A service that has been silent for longer than the search window keeps the time of its last line.
        self._newest: dict[str, float] = {}

    def describe(self) -> Iterable[Metric]:
        """Describe no metric: registering must not query Elasticsearch."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Every metric family."""
        with self._lock:
            if time.monotonic() - self._looked >= FRESH_SECONDS:
                self._snapshot = elasticsearch.look(self._url, self._session)
                self._newest.update(self._snapshot.newest)
                self._looked = time.monotonic()
            seen = self._snapshot
        yield GaugeMetricFamily("elasticsearch_up", "Whether Elasticsearch answers.", value=int(seen.up))
        if seen.up:
            yield GaugeMetricFamily(
                "elasticsearch_read_only_indices", "Indices that refuse writes.", value=seen.read_only_indices
            )
        if seen.disk_used_ratio is not None:
            yield GaugeMetricFamily(
                "elasticsearch_disk_used_ratio", "Share of its disk that is used.", value=seen.disk_used_ratio
            )
        yield _gauges(
            "log_pipeline_newest_timestamp_seconds", "Time of the newest line found.", "service", self._newest
        )
        yield _gauges("log_pipeline_recent_lines", "Lines of the last 60 s found.", "service", seen.recent_lines)
        figures = self._shipper_figures()
        yield _gauges("log_shipper_queue_size", "Lines that wait to be shipped.", "queue", figures.queues)
        for name, help_text, values in (
            ("log_shipper_processed", "Lines given to an action.", figures.processed),
            ("log_shipper_failed", "Lines that an action failed to deliver.", figures.failed),
        ):
            counter = CounterMetricFamily(name, help_text, labels=["action"])
            for action, value in values.items():
                counter.add_metric([action], value)
            yield counter
        if figures.delivered is not None:
            yield CounterMetricFamily(
                "log_shipper_delivered", "Lines that the shipper's destination accepted.", value=figures.delivered
            )
        if figures.at:
            yield GaugeMetricFamily(
                "log_shipper_stats_timestamp_seconds", "When the shipper last wrote its figures.", value=figures.at
            )


def _gauges(name: str, help_text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _shipper(chosen: Settings) -> Callable[[], Shipper]:
    """Filebeat if its URL is set, else the file that rsyslog writes."""
    if chosen.filebeat_url:
        return partial(filebeat.read, chosen.filebeat_url, requests.Session())
    return partial(shipper.read, chosen.rsyslog_stats)


def main() -> int:
    """Exit code 2 if a setting is wrong."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    registry = CollectorRegistry()
    registry.register(PipelineCollector(chosen.elasticsearch_url, _shipper(chosen)))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_http_server(chosen.port, addr=chosen.host, registry=registry)
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
