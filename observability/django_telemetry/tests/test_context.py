"""Units of work, carriers, threads, deadlines."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django_telemetry.context import carrier, carry, request_id, trace_ids, unit_of_work
from django_telemetry.deadlines import Deadline, current_deadline, parse_header, use_deadline
from django_telemetry.edges import timed_call
from opentelemetry.trace import SpanKind, StatusCode

from .harness import Lines, MemoryProcessor, grown, tracing_with

logger = logging.getLogger("tests.context")


def test_log_lines_in_a_unit_of_work_carry_its_ids(spans: MemoryProcessor, lines: Lines) -> None:
    with unit_of_work("nightly", kind="internal", attributes={"batch": 3}) as work:
        logger.info("working")
    span = spans.only()
    assert span.context is not None
    line = lines.with_message("working")
    assert line["trace.id"] == f"{span.context.trace_id:032x}"
    assert line["span.id"] == f"{span.context.span_id:016x}"
    assert line["request.id"] == work.request_id
    assert dict(span.attributes or {}) == {"batch": 3}


def test_outside_of_any_work_there_are_no_ids(lines: Lines) -> None:
    logger.info("alone")
    line = lines.with_message("alone")
    assert not {"trace.id", "span.id", "request.id"} & set(line)
    assert (request_id(), trace_ids(), carrier()) == (None, None, {})


def test_a_stored_carrier_is_continued(spans: MemoryProcessor) -> None:
    with unit_of_work("order") as order:
        stored = carrier()
    with unit_of_work("later", parent=stored, kind="consumer") as later:
        assert later.request_id == order.request_id
    first, second = spans.named("order"), spans.named("later")
    assert first.context is not None
    assert second.parent is not None
    assert second.parent.span_id == first.context.span_id
    assert second.kind is SpanKind.CONSUMER


def test_a_link_does_not_continue_the_trace(spans: MemoryProcessor) -> None:
    with unit_of_work("order"):
        stored = carrier()
    with unit_of_work("batch", link=stored):
        pass
    first, second = spans.named("order"), spans.named("batch")
    assert first.context is not None
    assert second.parent is None
    assert [link.context.span_id for link in second.links] == [first.context.span_id]


def test_a_failed_unit_of_work_is_recorded_counted_and_raised(spans: MemoryProcessor) -> None:
    with (
        grown("unit_of_work_duration_seconds_count", name="failing", outcome="error"),
        pytest.raises(KeyError),
        unit_of_work("failing"),
    ):
        raise KeyError("missing")
    span = spans.only()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_a_stop_is_not_an_error(spans: MemoryProcessor) -> None:
    with (
        grown("unit_of_work_duration_seconds_count", name="stopped", outcome="ok"),
        pytest.raises(SystemExit),
        unit_of_work("stopped"),
    ):
        raise SystemExit(0)
    assert spans.only().status.status_code is StatusCode.UNSET


def test_a_thread_started_by_the_work_belongs_to_it(spans: MemoryProcessor, lines: Lines) -> None:
    def job(name: str) -> None:
        logger.info("in %s", name)

    with unit_of_work("parent") as work:
        thread = threading.Thread(target=carry(job), args=("thread",))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(carry(job), ["pool-1", "pool-2"]))
    for name in ("thread", "pool-1", "pool-2"):
        assert lines.with_message(f"in {name}")["request.id"] == work.request_id


def test_timed_call_creates_a_span_and_a_sample(spans: MemoryProcessor) -> None:
    labels = {"dependency": "disk", "protocol": "http", "operation": "store", "outcome": "error"}
    with (
        grown("dependency_call_duration_seconds_count", **labels),
        unit_of_work("job"),
        timed_call("disk", "http", "store") as call,
    ):
        call.fail("error", "Full")
    assert spans.named("store").status.status_code is StatusCode.ERROR


def test_the_earlier_deadline_applies() -> None:
    with use_deadline(Deadline.after(5)) as outer:
        with use_deadline(Deadline.after(60)) as inner:
            assert inner == outer
        with use_deadline(Deadline.after(1)) as inner:
            assert inner.remaining() <= 1
            assert current_deadline() == inner
        assert current_deadline() == outer
    assert current_deadline() is None


def test_an_expired_deadline_has_no_time_left() -> None:
    deadline = Deadline(time.monotonic() - 1)
    assert deadline.expired
    assert deadline.remaining() == 0
    assert deadline.header_value() == "0"


@pytest.mark.parametrize(("raw", "seconds"), [("0", 0.0), ("1500", 1.5), ("9999999", 3600.0)])
def test_a_deadline_header_is_read(raw: str, seconds: float) -> None:
    assert parse_header(raw) == seconds


@pytest.mark.parametrize("raw", [None, "", "-1", "1.5", "1e3", "x", "12345678", "٣"])
def test_a_malformed_deadline_header_is_ignored(raw: str | None) -> None:
    assert parse_header(raw) is None


def test_failed_work_is_kept_with_its_calls_although_the_sampler_dropped_it() -> None:
    def order() -> None:
        with unit_of_work("order"):
            with timed_call("users", "http", "GET /u"):
                pass
            raise ValueError("late failure")

    with tracing_with(sampler="always_off") as spans, pytest.raises(ValueError):
        order()
    assert sorted(span.name for span in spans.spans) == ["GET /u", "order"]
    call, whole = spans.named("GET /u"), spans.named("order")
    assert call.parent is not None
    assert whole.context is not None
    assert call.parent.span_id == whole.context.span_id
    assert dict(whole.attributes or {})["sampling.rule"] == "tail"


def test_fast_and_successful_work_stays_dropped() -> None:
    with tracing_with(sampler="always_off") as spans, unit_of_work("order"), timed_call("users", "http", "GET /u"):
        pass
    assert spans.spans == []


def test_the_tail_rule_can_be_turned_off() -> None:
    with tracing_with(sampler="always_off", tail=False) as spans, pytest.raises(ValueError), unit_of_work("order"):
        raise ValueError
    assert spans.spans == []
