"""Metrics: django-prometheus's registry, constructors for a service's own metrics, and the edge family."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import Any, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Exemplar

from ._fork import after_fork

M = TypeVar("M", bound=MetricWrapperBase)

registry = REGISTRY

OVERFLOW = "overflow"
DEFAULT_SERIES_LIMIT = 1000

# Seconds. Fine-grained in the range of healthy calls, and up to the longest timeout in use.
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)

_lock = threading.Lock()


def _get_or_create(kind: Callable[..., M], name: str, *args: Any, **kwargs: Any) -> M:
    """The metric called ``name``, created once: modules may be imported twice (tests, autoreload)."""
    with _lock:
        known = registry._names_to_collectors.get(name)
        if known is not None:
            return known  # type: ignore[return-value]
        return kind(name, *args, registry=registry, **kwargs)


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """Create a counter. ``name`` has no ``_total``; the exposition adds it. Counters without labels start at 0."""
    return _get_or_create(Counter, name.removesuffix("_total"), documentation, labels)


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    """Create a gauge; the unit belongs in the name (``_seconds``, ``_bytes``)."""
    return _get_or_create(Gauge, name, documentation, labels)


def histogram(
    name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = CALL_BUCKETS
) -> Histogram:
    """Create a histogram; the unit belongs in the name (``_seconds``, ``_bytes``)."""
    return _get_or_create(Histogram, name, documentation, labels, buckets=buckets)


def start_at_zero(metric: MetricWrapperBase, *label_values: Iterable[str]) -> None:
    """Create every combination of ``label_values`` (one iterable per label), so that each series starts at 0.

    Otherwise the first failure is also the first sample of its series, and increase() over it returns nothing.
    """
    from itertools import product

    for values in product(*(tuple(values) for values in label_values)):
        metric.labels(*values)


overflow_total = counter(
    "telemetry_series_overflow",
    "Observations that went to a family's overflow series since its series limit was reached.",
    ["family"],
)


class Family(dict[tuple[str, ...], Any]):
    """The children of one labelled metric, cached by label values, with a maximum number of series.

    A dict, so that a hit is a single C call. New combinations above the maximum are counted with every label set to
    ``overflow``.
    """

    def __init__(self, metric: MetricWrapperBase, limit: int | None = None) -> None:
        super().__init__()
        self.metric = metric
        self._limit = limit
        self._overflow = (OVERFLOW,) * len(metric._labelnames)

    def __missing__(self, key: tuple[str, ...]) -> Any:
        limit = self._limit or series_limit()
        if len(self) >= limit:
            overflow_total.labels(self.metric._name).inc()
            return self.metric.labels(*self._overflow)
        child = self.metric.labels(*key)
        self[key] = child
        return child

    def ensure(self, *label_values: str) -> None:
        """Create a series, so that it starts at 0 and its first sample already is an increase."""
        if label_values not in self:
            self.__missing__(label_values)


def observe(histogram: Histogram, amount: float, ids: tuple[str, str] | None) -> None:
    """histogram.observe() with a trace and span id as exemplar, at a third of the cost: ids need no validation."""
    histogram._sum.inc(amount)
    bucket = histogram._buckets[bisect_left(histogram._upper_bounds, amount)]
    bucket.inc(1)
    if ids is not None:
        bucket.set_exemplar(Exemplar({"trace_id": ids[0], "span_id": ids[1]}, amount, time()))


_series_limit = DEFAULT_SERIES_LIMIT


def set_series_limit(limit: int) -> None:
    """Set the maximum number of series per family; further ones share the overflow series."""
    global _series_limit
    _series_limit = limit


def series_limit() -> int:
    return _series_limit


def _new_locks() -> None:
    """Replace every metric's locks in a forked child: a thread that exists only in the parent may hold one."""
    registry._lock = threading.Lock()
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            _new_lock(collector)
            for child in list(getattr(collector, "_metrics", {}).values()):
                _new_lock(child)


def _new_lock(metric: MetricWrapperBase) -> None:
    if hasattr(metric, "_lock"):
        metric._lock = threading.Lock()
    for value in (getattr(metric, "_value", None), getattr(metric, "_sum", None), *getattr(metric, "_buckets", ())):
        if hasattr(value, "_lock"):
            value._lock = threading.Lock()


after_fork(_new_locks)

dependency_call_duration_seconds = histogram(
    "dependency_call_duration_seconds",
    "Duration of calls to another service or backend, as the caller sees them.",
    ["dependency", "protocol", "operation", "outcome"],
)
dependency_deadline_remaining_seconds = histogram(
    "dependency_deadline_remaining_seconds",
    "Time left until the deadline of the current work when a call to a dependency starts.",
    ["dependency", "protocol"],
)
dependency_retries_total = counter(
    "dependency_retries",
    "Calls to a dependency that were tried again.",
    ["dependency", "protocol", "operation"],
)
build_info = gauge("django_telemetry_build_info", "Version of the telemetry library.", ["version"])
service_build_info = gauge(
    "service_build_info", "Which version of which service this process runs.", ["service", "version"]
)

rpc_server_handled_total = counter(
    "grpc_server_handled",
    "RPCs completed on the server, whatever their result.",
    ["grpc_type", "grpc_service", "grpc_method", "grpc_code"],
)
rpc_server_handling_seconds = histogram(
    "grpc_server_handling_seconds",
    "Duration of RPCs handled by the server.",
    ["grpc_type", "grpc_service", "grpc_method"],
)
messaging_process_duration_seconds = histogram(
    "messaging_process_duration_seconds",
    "Duration of handling one message, by its fate: ok, requeued, rejected (dead-lettered) or dropped.",
    ["destination", "outcome"],
)
messages_dead_lettered_total = counter(
    "messages_dead_lettered",
    "Messages sent to the dead letters, by queue and by the kind of reason (its text up to the first colon).",
    ["queue", "reason"],
)
work_duration_seconds = histogram(
    "unit_of_work_duration_seconds",
    "Duration of units of work outside of requests, RPCs and messages.",
    ["name", "outcome"],
)
