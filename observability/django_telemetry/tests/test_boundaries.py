"""The other boundaries of telemetry: scrapes, calls, statements, units of work, RPCs, exporters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection
from django.db.backends.postgresql import base as postgresql
from django_telemetry import _sentry_transport, _unit, context, db, edges, errors, orm, pipeline, tracing
from django_telemetry._work import current_work
from django_telemetry.accounting import Account
from django_telemetry.exposition import expose
from django_telemetry.writer import LineWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from platform_testing.polling import eventually
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sentry_sdk.envelope import Envelope

from .harness import Everything, HttpBackend, MemoryProcessor, check_balance, sample
from .hostile import ANYTHING, SCALARS, Raising

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def _fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("telemetry is broken")


def _internal(signal: str) -> float:
    return sample("telemetry_items_total", signal=signal, result="lost", reason="internal_error")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise TypeError("no text")


class _Bad(Collector):
    def collect(self) -> Iterable[Metric]:
        raise RuntimeError("planted")

    def describe(self) -> Iterable[Metric]:
        return []


class _Odd(Collector):
    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily("odd", "Has one sample that can't be encoded.", labels=["name"])
        gauge.add_metric(["good"], 1)
        gauge.add_metric(["\ud83d"], 2)
        yield gauge
        yield CounterMetricFamily("fine", "Comes after it.", value=3)

    def describe(self) -> Iterable[Metric]:
        return []


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
@pytest.mark.parametrize("bad", [_Bad, _Odd])
def test_a_collector_a_family_or_a_label_that_fails_costs_no_other(accept: str, bad: type[Collector]) -> None:
    registry = CollectorRegistry()
    Counter("before", "Registered before.", registry=registry).inc()
    registry.register(bad())
    Counter("after", "Registered after.", registry=registry).inc()
    before = _internal("metrics")
    body, content_type = expose(registry, accept)
    text = body.decode()
    for line in ("before_total 1.0", "after_total 1.0", *(('odd{name="good"} 1.0', "fine_total 3.0") * (bad is _Odd))):
        assert line in text
    assert _internal("metrics") > before
    assert text.count("# EOF") == (1 if accept == OPENMETRICS else 0)
    assert content_type.startswith(accept.partition(";")[0])


class _Pool:
    def __init__(self, stats: Callable[[], dict[str, int]]) -> None:
        self.get_stats = stats


def test_a_pool_that_cannot_be_read_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = {"bad": _Pool(_fail), "good": _Pool(lambda: {"pool_size": 3, "pool_available": 1})}
    monkeypatch.setattr(postgresql.DatabaseWrapper, "_connection_pools", pools, raising=False)
    used = [
        (each.labels["alias"], each.value)
        for family in db.PoolCollector().collect()
        for each in family.samples
        if each.labels.get("state") == "used"
    ]
    assert used == [("good", 2)]


CARRIERS = st.one_of(
    st.none(), st.dictionaries(st.sampled_from(["traceparent", "tracestate", "x-request-id"]), ANYTHING)
)


@given(
    name=st.sampled_from(["job", "job {id}"]),
    parent=CARRIERS,
    link=CARRIERS,
    # The SDK reads sequences itself, also endless ones.
    attributes=st.dictionaries(
        st.text(st.characters(), max_size=5), st.one_of(SCALARS, st.builds(Raising)), max_size=3
    ),
    failure=st.one_of(st.none(), st.builds(Unprintable), st.builds(ValueError, ANYTHING)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_a_unit_of_work_raises_only_what_its_block_raises(
    spans: MemoryProcessor, name: str, parent: Any, link: Any, attributes: Any, failure: Exception | None
) -> None:
    spans.spans.clear()
    raised: Exception | None = None
    try:
        with context.unit_of_work(name, parent=parent, link=link, attributes=attributes):
            if failure is not None:
                raise failure
    except Exception as exc:
        raised = exc
    assert raised is failure
    assert current_work() is None
    assert spans.only().name == name


Start = Callable[[], AbstractContextManager[Any]]
CASES: list[tuple[Start, Any, str, str]] = [
    (lambda: context.unit_of_work("job"), tracing.Tracing, "_start_by_sdk", "traces"),
    (lambda: context.unit_of_work("job"), _unit, "exception_event", "traces"),
    (lambda: context.unit_of_work("job"), context._durations, "__missing__", "metrics"),
    (lambda: edges.timed_call("d", "http", "GET /"), edges, "observe_call", "metrics"),
    (lambda: edges.timed_call("d", "http", "GET /"), edges, "current_work", "traces"),
    (lambda: edges.timed_call("d", "http", "GET /"), edges, "exception_event", "traces"),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_failure_inside_telemetry_leaves_a_block_as_it_is(
    spans: MemoryProcessor, monkeypatch: pytest.MonkeyPatch, case: int
) -> None:
    start, owner, name, signal = CASES[case]
    before = _internal(signal)
    if name == "_start_by_sdk":
        monkeypatch.setattr(tracing.get_tracing(), "start", _fail)
    elif name == "__missing__":
        monkeypatch.setattr(context, "_durations", {})
    else:
        monkeypatch.setattr(owner, name, _fail)
    with pytest.raises(LookupError, match="own"), start():
        raise LookupError("own")
    assert _internal(signal) > before
    assert not trace.get_current_span().get_span_context().is_valid
    if name != "_start_by_sdk" and name != "current_work":
        assert len(spans.spans) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["describe", "finish", "observe_call", "_dialect"])
def test_a_failure_inside_telemetry_leaves_a_statement_as_it_is(
    spans: MemoryProcessor, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with connection.cursor() as cursor, context.unit_of_work("job"):
        before = _internal("traces")
        monkeypatch.setattr(db, name, _fail)
        cursor.execute("SELECT 1 + 1")
        assert cursor.fetchone() == (2,)
    assert _internal("traces") == before + 1
    monkeypatch.undo()


@pytest.mark.django_db
def test_rows_that_cannot_be_counted_fail_no_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _internal("metrics")
    monkeypatch.setitem(orm._counters, ("INSERT", "t"), _fail)

    class Cursor:
        rowcount = 1

    orm.count("INSERT", "t", Cursor(), "INSERT INTO t")
    assert _internal("metrics") == before + 1


def test_a_scope_that_cannot_be_entered_or_left_fails_no_work(
    everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        get = set = reset = _fail

    token = errors.enter_scope()
    before = _internal("errors")
    with monkeypatch.context() as broken:
        broken.setattr(errors, "_isolation_scope", Broken())
        assert errors.enter_scope() is None
        errors.leave_scope(token)
    assert _internal("errors") == before + 2
    errors.leave_scope(token)


def test_exporters_survive_what_they_do_not_expect(
    backend: HttpBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from dataclasses import replace

    from django_telemetry.conf import get_config

    counts = Account("test")
    spans = pipeline.SpanPipeline(replace(get_config(), traces_endpoint=backend.url, batch_delay=0.01), counts)
    provider = tracing.build_provider(get_config())
    provider.add_span_processor(spans)
    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "encode_spans", _fail)
        provider.get_tracer("t").start_span("one").end()
        eventually(lambda: counts.lost["internal_error"], "one span lost", accept=lambda actual: actual == 1)
        check_balance(counts)
    provider.get_tracer("t").start_span("two").end()
    eventually(lambda: counts.delivered, "one span delivered", accept=lambda actual: actual == 1)
    spans.close(1)
    check_balance(counts)

    counts = Account("test")
    transport = _sentry_transport.BoundedTransport(f"http://key@127.0.0.1:{backend.port}/1", "", counts)
    with monkeypatch.context() as broken:
        broken.setattr(transport, "_send", _fail)
        transport.capture_envelope(Envelope())
        eventually(lambda: counts.lost["internal_error"], "one report lost", accept=lambda actual: actual == 1)
    transport.capture_envelope(Envelope())
    eventually(lambda: counts.delivered, "one report delivered", accept=lambda actual: actual == 1)
    transport.close(1)
    check_balance(counts)

    counts = Account("test")
    with (tmp_path / "lines").open("wb") as file:
        writer = LineWriter(file.fileno(), counts=counts)
        writer.write("no bytes")  # type: ignore[arg-type]
        writer.write(b"line\n")
        assert writer.flush(5)
        writer.close(1)
    assert (counts.lost["internal_error"], counts.delivered) == (1, 1)
    check_balance(counts)
