"""Accounting of every telemetry item: created = delivered + lost (by reason) + queued, exactly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

INTERNAL_ERROR = "internal_error"
REASONS = ("queue_full", "export_failed", "shutdown", INTERNAL_ERROR)


class Account:
    """The counters of one signal. Plain numbers, since every request updates them; collected at scrape time."""

    __slots__ = ("_failed", "_lock", "delivered", "lost", "made", "signal", "waiting")

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.waiting: Callable[[], int] = lambda: 0
        self.after_fork()

    def after_fork(self) -> None:
        """Reset the counters: a forked child starts with an empty queue."""
        self.made = 0
        self.delivered = 0
        self.lost = dict.fromkeys(REASONS, 0)
        # Items that were lost before they reached the queue, whose lock protects the other counters.
        self._failed = 0
        self._lock = threading.Lock()

    def fail(self) -> None:
        """Count an item that could not be created because telemetry itself failed."""
        with self._lock:
            self._failed += 1

    def totals(self) -> tuple[int, int, dict[str, int]]:
        """(made, delivered, lost by reason), including the items that could not be created."""
        failed, lost = self._failed, dict(self.lost)
        lost[INTERNAL_ERROR] += failed
        return self.made + failed, self.delivered, lost


class _Accounts(Collector):
    """Exposes all accounts as telemetry_items_total and telemetry_queue_items."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    def collect(self) -> Iterable[Metric]:
        items = CounterMetricFamily(
            "telemetry_items",
            "Telemetry items by signal and what became of them: made, delivered, or lost with its reason.",
            labels=["signal", "result", "reason"],
        )
        waiting = GaugeMetricFamily("telemetry_queue_items", "Telemetry items waiting to be sent.", labels=["signal"])
        for account in list(self.accounts.values()):
            made, delivered, lost = account.totals()
            items.add_metric([account.signal, "made", ""], made)
            items.add_metric([account.signal, "delivered", ""], delivered)
            for reason, count in lost.items():
                items.add_metric([account.signal, "lost", reason], count)
            waiting.add_metric([account.signal], account.waiting())
        return [items, waiting]


_accounts = _Accounts()
REGISTRY.register(_accounts)


def account(signal: str) -> Account:
    """The account of ``signal``, created at first use."""
    if signal not in _accounts.accounts:
        _accounts.accounts[signal] = Account(signal)
    return _accounts.accounts[signal]
