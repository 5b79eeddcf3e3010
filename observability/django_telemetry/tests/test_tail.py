"""The tail rule: failed or slow work that the sampler dropped is kept, with its callers and its later calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django_telemetry._work import MAX_REMEMBERED
from django_telemetry.context import carrier, unit_of_work
from django_telemetry.edges import timed_call
from django_telemetry.http import NO_RETRIES, Session
from opentelemetry.trace import StatusCode

from .harness import HttpBackend, Lines, MemoryProcessor, respond, tracing_with

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TOKEN = {"Authorization": "Bearer orders-token-0123456789", "traceparent": PARENT}


@pytest.fixture
def unsampled(lines: Lines) -> Iterator[MemoryProcessor]:
    with tracing_with(sampler="parentbased_always_off") as memory:
        yield memory


def test_a_failed_request_is_kept_and_reported_to_its_caller(unsampled: MemoryProcessor) -> None:
    response = Client(raise_request_exception=False).get("/boom", headers=TOKEN)
    span = unsampled.only()
    assert span.name == "GET boom"
    assert span.status.status_code is StatusCode.ERROR
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert int(response.headers["traceresponse"][-2:], 16) & 1 == 1


def test_a_successful_request_stays_dropped_and_is_reported_so_to_its_caller(unsampled: MemoryProcessor) -> None:
    response = Client().get("/ok", headers=TOKEN)
    assert unsampled.spans == []
    assert int(response.headers["traceresponse"][-2:], 16) & 1 == 0


@pytest.mark.django_db
def test_a_slow_request_is_kept_with_its_statements(lines: Lines) -> None:
    from dataclasses import replace

    from django_telemetry import middleware
    from django_telemetry.conf import get_config

    config = replace(get_config(), slow_request=1e-9)
    with pytest.MonkeyPatch.context() as patch, tracing_with(sampler="parentbased_always_off") as memory:
        patch.setattr(middleware, "get_config", lambda: config)
        Client().get("/query")
    server, statement = memory.named("GET query"), memory.named("SELECT auth_user")
    assert server.context is not None
    assert statement.parent is not None
    assert statement.parent.span_id == server.context.span_id


def test_a_caller_keeps_its_part_when_its_callee_does(unsampled: MemoryProcessor, backend: HttpBackend) -> None:
    session = Session("payments", backend.url, retries=NO_RETRIES)
    with unit_of_work("order"):
        backend.answer = respond(200, headers={"traceresponse": PARENT})
        session.request("GET", "/before")
        backend.answer = respond(500, headers={"traceresponse": PARENT[:-1] + "1"})
        session.request("POST", "/charge")
        backend.answer = respond(200)
        session.request("POST", "/release")
        stored = carrier()
    assert sorted(span.name for span in unsampled.spans) == ["GET /before", "POST /charge", "POST /release", "order"]
    flags = [headers["traceparent"][-1] for _, _, headers, _ in backend.requests]
    assert [int(flag, 16) & 1 for flag in flags] == [0, 0, 1], "from then on calls are marked as sampled"
    assert int(stored["traceparent"][-1], 16) & 1 == 1, "and so is what is stored for later"


def test_the_number_of_remembered_calls_is_bounded(unsampled: MemoryProcessor) -> None:
    def many_calls() -> None:
        with unit_of_work("many"):
            for _ in range(MAX_REMEMBERED * 2):
                with timed_call("somewhere", "http", "something"):
                    pass
            raise ValueError

    with pytest.raises(ValueError):
        many_calls()
    assert len(unsampled.spans) == MAX_REMEMBERED + 1
