"""Accounting of every telemetry item: created = delivered + lost (by reason) + queued, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

REASONS = ("queue_full", "export_failed", "shutdown")


class Account:
    """The counters of one signal. Plain numbers, since every request updates them; collected at scrape time."""

    __slots__ = ("delivered", "lost", "made", "signal", "waiting")

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.made = 0
        self.delivered = 0
        self.lost = dict.fromkeys(REASONS, 0)
        self.waiting: Callable[[], int] = lambda: 0

    def after_fork(self) -> None:
        """Reset the counters: a forked child starts with an empty queue."""
        self.made = 0
        self.delivered = 0
        self.lost = dict.fromkeys(REASONS, 0)


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
            items.add_metric([account.signal, "made", ""], account.made)
            items.add_metric([account.signal, "delivered", ""], account.delivered)
            for reason, count in list(account.lost.items()):
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
