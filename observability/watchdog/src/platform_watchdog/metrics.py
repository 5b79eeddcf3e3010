"""The watchdog's Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from platform_watchdog.record import Record
from platform_watchdog.switch import Switch


class _State(Collector):
    """Reads the state of the switch and the record at scrape time."""

    def __init__(self, switch: Switch, record: Record) -> None:
        self._switch = switch
        self._record = record

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "watchdog_heartbeat_age_seconds", "Time since Alertmanager's last heartbeat.", value=self._switch.age
        )
        yield GaugeMetricFamily(
            "watchdog_silent", "1 while the alarm is raised, else 0.", value=int(self._switch.is_silent)
        )
        yield CounterMetricFamily(
            "watchdog_notifications", "Notifications recorded since the start.", value=self._record.count
        )


def registry(switch: Switch, record: Record) -> CollectorRegistry:
    """A registry with the watchdog's own metrics, without those of the process."""
    made = CollectorRegistry()
    made.register(_State(switch, record))
    return made
