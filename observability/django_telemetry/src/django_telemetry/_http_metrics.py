"""django-prometheus's HTTP metric families, aggregated first in one small tally per kind of request.

Updating a dozen metrics costs twenty times as much as one count, and most can be derived from the others. A request
adds to the tally of its kind; the tallies are flushed into django-prometheus's own metrics when those are collected.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from django_prometheus.middleware import Metrics, PrometheusAfterMiddleware, PrometheusBeforeMiddleware
from prometheus_client import REGISTRY, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.values import ValueClass

from ._cache import SizedCache, size_of
from ._fork import after_fork
from ._guard import internal_error
from .metrics import OVERFLOW, Family, overflow_total, series_limit

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"})
INVALID_METHOD = "<invalid method>"
UNNAMED_VIEW = "<unnamed view>"
_MAX_DIGITS = 18
# Number of requests of one kind that are aggregated in one batch.
_FOLD = 128

Kind = tuple[int, str, str, str, "str | None", "str | None", bool, bool]
Ids = tuple[str, str]


def content_length(raw: str | None) -> int:
    """The request's declared body size in bytes; 0 when it is missing or malformed."""
    if raw and len(raw) <= _MAX_DIGITS and raw.isascii() and raw.isdigit():
        return int(raw)
    return 0


class _Sizes:
    """The bucket counts and the sum of a histogram, as plain numbers."""

    __slots__ = ("bounds", "buckets", "exemplars", "total")

    def __init__(self, bounds: list[float]) -> None:
        self.bounds = bounds
        self.clear()

    def clear(self) -> None:
        self.total = 0.0
        self.buckets: Counter[int] = Counter()
        self.exemplars: dict[int, tuple[Ids, float, float]] = {}

    def add_times(self, amounts: Sequence[float], ids: Sequence[Ids | None], at: Sequence[float]) -> None:
        """Count amounts that rarely repeat; an amount with ids becomes its bucket's exemplar."""
        indexes = [bisect_left(self.bounds, amount) for amount in amounts]
        self.total += sum(amounts)
        self.buckets.update(indexes)
        for index, one, amount, moment in zip(indexes, ids, amounts, at, strict=True):
            if one is not None:
                self.exemplars[index] = (one, amount, moment)

    def add_sizes(self, amounts: Iterable[int]) -> None:
        """Count amounts that mostly repeat."""
        for amount, count in Counter(amounts).items():
            self.total += amount * count
            self.buckets[bisect_left(self.bounds, amount)] += count

    def flush(self, *histograms: Histogram) -> None:
        """Flush all counts into ``histograms``."""
        for histogram in histograms:
            histogram._sum.inc(self.total)
            for index, count in self.buckets.items():
                histogram._buckets[index].inc(count)
            for index, (ids, amount, at) in self.exemplars.items():
                bucket = histogram._buckets[index]
                known = bucket.get_exemplar()
                if known is None or known.timestamp < at:  # another kind may have set a newer exemplar
                    bucket.set_exemplar(Exemplar({"trace_id": ids[0], "span_id": ids[1]}, amount, at))
        self.clear()


class _Tally:
    """Requests of one kind since the metrics were last collected."""

    __slots__ = ("count", "fresh", "kind", "lock", "received", "seconds", "sent")

    def __init__(self, kind: Kind, seconds: list[float], sizes: list[float]) -> None:
        self.kind = kind
        self.lock = threading.Lock()
        self.count = 0
        # Requests not yet aggregated, each a tuple that fold() unpacks. Appending needs no lock.
        self.fresh: deque[tuple[float, int, int | None, Ids | None, float]] = deque()
        self.seconds = _Sizes(seconds)
        self.received = _Sizes(sizes)
        self.sent = _Sizes(sizes)

    def fold(self) -> None:
        """Aggregate the new requests; a batch is cheaper than single updates. The caller holds the lock."""
        take = self.fresh.popleft
        samples = [take() for _ in range(len(self.fresh))]
        if not samples:
            return
        self.count += len(samples)
        seconds, received, sent, ids, at = zip(*samples, strict=True)
        self.seconds.add_times(seconds, ids, at)
        self.received.add_sizes(received)
        self.sent.add_sizes(size for size in sent if size is not None)


class HttpMetrics(Collector):
    """The families of django_prometheus.middleware.Metrics, with the package's names, labels and meaning."""

    def __init__(self) -> None:
        metrics = Metrics.get_instance()
        self._requests = metrics.requests_total
        self._responses = metrics.responses_total
        self._latency_all = metrics.requests_latency_before
        self._latency = Family(metrics.requests_latency_by_view_method)
        self._by_method = Family(metrics.requests_by_method)
        self._by_transport = Family(metrics.requests_by_transport)
        self._by_view = Family(metrics.requests_by_view_transport_method)
        self._request_bytes = metrics.requests_body_bytes
        self._response_bytes = metrics.responses_body_bytes
        self._by_status = Family(metrics.responses_by_status)
        self._by_status_view = Family(metrics.responses_by_status_view_method)
        self._by_charset = Family(metrics.responses_by_charset)
        self._by_template = Family(metrics.responses_by_templatename)
        self._streaming = metrics.responses_streaming
        self._ajax = metrics.requests_ajax
        self._exceptions_by_type = Family(metrics.exceptions_by_type)
        self._exceptions_by_view = Family(metrics.exceptions_by_view)
        self._tallies: dict[Kind, _Tally] = {}
        self._lock = threading.Lock()
        self._charsets: SizedCache[str, str] = SizedCache()
        # In prometheus_client's multiprocess mode another process reads the values and can't trigger the flush.
        self._at_once = bool(ValueClass._multiprocess)
        self._read_before(metrics)
        after_fork(self._reset)

    def _reset(self) -> None:
        # Also in a forked child: a thread that exists only in the parent may have held the lock.
        self._lock = threading.Lock()
        self._tallies = {}

    def _read_before(self, metrics: Metrics) -> None:
        """Move this collector before the families that it updates: a registry collects in order of registration."""
        REGISTRY.register(self)
        for family in {id(value): value for value in vars(metrics).values()}.values():
            REGISTRY.unregister(family)
            REGISTRY.register(family)

    def observe(  # noqa: PLR0913 - called for every request: no object is made to carry them
        self,
        request: HttpRequest,
        response: HttpResponseBase | None,
        method: str | None,
        scheme: str,
        seconds: float,
        request_size: int,
        response_size: int | None,
        ids: Ids | None,
        at: float,
    ) -> None:
        """Count a request that ended at ``at``.

        ``response`` is None when there was none, ``method`` is None when it isn't in METHODS. ``ids`` are those of a
        sampled trace.
        """
        match = request.resolver_match
        view = None if match is None else match.view_name or UNNAMED_VIEW
        method = method or INVALID_METHOD
        ajax = request.META.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest"
        if response is None:
            kind: Kind = (0, view or "", method, scheme, None, None, False, ajax)
        else:
            template = getattr(response, "template_name", self)
            kind = (
                response.status_code,
                view or "",
                method,
                scheme,
                self._charset(response),
                None if template is self else str(template),
                response.streaming,
                ajax,
            )
        tally = self._tallies.get(kind) or self._open(kind)
        tally.fresh.append((seconds, request_size, response_size, ids, at))
        if self._at_once:
            self._flush(tally)
        elif len(tally.fresh) >= _FOLD:
            with tally.lock:
                tally.fold()

    def _open(self, kind: Kind) -> _Tally:
        with self._lock:
            if kind not in self._tallies and len(self._tallies) >= 8 * series_limit():
                overflow_total.labels("django_http_requests").inc()
                kind = (kind[0], OVERFLOW, kind[2], kind[3], None, None, kind[6], kind[7])
            tally = self._tallies.get(kind)
            if tally is None:
                seconds, sizes = self._latency_all._upper_bounds, self._request_bytes._upper_bounds
                tally = self._tallies[kind] = _Tally(kind, seconds, sizes)
            return tally

    def _charset(self, response: HttpResponseBase) -> str:
        """The value of response.charset, cached by Content-Type to avoid parsing the same header repeatedly."""
        own: str | None = getattr(response, "_charset", None)
        if own is not None:
            return own
        content_type = response.headers.get("Content-Type", "")
        charset = self._charsets.get(content_type)
        if charset is None:
            charset = str(response.charset)
            self._charsets.keep(content_type, charset, size_of(charset))
        return charset

    def exception(self, request: HttpRequest, exc: Exception) -> None:
        """Count an exception that a view raised."""
        self._exceptions_by_type[(type(exc).__name__,)].inc()
        match = request.resolver_match
        if match is not None:
            self._exceptions_by_view[(match.view_name or UNNAMED_VIEW,)].inc()

    def collect(self) -> Iterable[Metric]:
        """Flush the tallies into the families when the metrics are collected. Yields no family of its own."""
        for tally in list(self._tallies.values()):
            try:
                self._flush(tally)
            except Exception:  # requests of another kind are not affected
                internal_error("metrics", "the samples of requests")
        return []

    def _flush(self, tally: _Tally) -> None:
        with tally.lock:
            tally.fold()
            count, tally.count = tally.count, 0
            if not count:
                return
            status, view, method, transport, charset, template, streaming, ajax = tally.kind
            name = view or UNNAMED_VIEW
            tally.seconds.flush(self._latency_all, self._latency[(name, method)])
            tally.received.flush(self._request_bytes)
            tally.sent.flush(self._response_bytes)
        self._requests.inc(count)
        self._by_method[(method,)].inc(count)
        self._by_transport[(transport,)].inc(count)
        if view:
            self._by_view[(view, transport, method)].inc(count)
        if ajax:
            self._ajax.inc(count)
        if not status:
            return
        self._responses.inc(count)
        self._by_status[(str(status),)].inc(count)
        self._by_status_view[(str(status), name, method)].inc(count)
        if charset is not None:
            self._by_charset[(charset,)].inc(count)
        if template is not None:
            self._by_template[(template,)].inc(count)
        if streaming:
            self._streaming.inc(count)


def counting_middlewares() -> list[str]:
    """The middlewares of django-prometheus, or derived from them, in MIDDLEWARE.

    They count themselves, with labels of their own if they are derived, so this module must not count as well.
    """
    own = (PrometheusBeforeMiddleware, PrometheusAfterMiddleware)
    loaded = {name: import_string(name) for name in settings.MIDDLEWARE}
    return [name for name, kind in loaded.items() if isinstance(kind, type) and issubclass(kind, own)]


_http_metrics: HttpMetrics | None = None
_lock = threading.Lock()


def http_metrics() -> HttpMetrics:
    """The process's HTTP metrics, created once: every handler and test client has its own middleware instance."""
    global _http_metrics
    with _lock:
        if _http_metrics is None:
            _http_metrics = HttpMetrics()
        return _http_metrics
