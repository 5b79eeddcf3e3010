"""The gRPC channel and the server interceptors, connected over a real socket."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pytest
from django_telemetry.context import request_id, unit_of_work
from django_telemetry.deadlines import Deadline, current_deadline, use_deadline
from django_telemetry.edges import DependencyRefused, DependencyRejected, DependencyTimeout
from django_telemetry.grpc import client_channel, server_interceptors
from django_telemetry.retries import RetryPolicy
from opentelemetry.trace import SpanKind, StatusCode

from .harness import Lines, MemoryProcessor, free_port, grown, tracing_with

SERVICE = "inventory.v1.Inventory"
TOKEN = "orders-token-0123456789"

Behaviour = Callable[[bytes, Any], Any]


def method(channel: grpc.Channel) -> Callable[..., bytes]:
    """A stub for Reserve that sends and receives bytes."""
    return cast(Any, channel).unary_unary(f"/{SERVICE}/Reserve")


class _Server:
    """A gRPC server with one unary and one streaming method that receive and send bytes."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = lambda request, context: b"ok:" + request
        self.metadata: dict[str, str] = {}
        self._server = grpc.server(ThreadPoolExecutor(4), interceptors=server_interceptors())
        handler = grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Reserve": grpc.unary_unary_rpc_method_handler(self._reserve),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            },
        )
        self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _reserve(self, request: bytes, context: Any) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        return self.behaviour(request, context)

    def _watch(self, request: bytes, context: Any) -> Iterator[bytes]:
        logging.getLogger("watch").info("watching")
        yield b"1"
        yield b"2"

    def close(self) -> None:
        self._server.stop(0).wait(5)


@pytest.fixture
def server(spans: MemoryProcessor, lines: Lines) -> Iterator[_Server]:
    made = _Server()
    yield made
    made.close()


@pytest.fixture
def reserve(server: _Server) -> Iterator[Callable[..., bytes]]:
    channel = client_channel("inventory", f"127.0.0.1:{server.port}", TOKEN, SERVICE, timeout=2.0)
    yield method(channel)
    channel.close()


def test_a_call_is_one_trace_of_a_client_and_a_server_span(
    reserve: Callable[..., bytes], spans: MemoryProcessor, lines: Lines
) -> None:
    labels = {"dependency": "inventory", "protocol": "grpc", "operation": "Reserve", "outcome": "ok"}
    with (
        grown("dependency_call_duration_seconds_count", **labels),
        grown(
            "grpc_server_handled_total",
            grpc_type="unary",
            grpc_service=SERVICE,
            grpc_method="Reserve",
            grpc_code="OK",
        ),
        unit_of_work("job") as work,
    ):
        assert reserve(b"x") == b"ok:x"
    by_kind = {span.kind: span for span in spans.spans}
    client, handler = by_kind[SpanKind.CLIENT], by_kind[SpanKind.SERVER]
    assert client.name == handler.name == f"{SERVICE}/Reserve"
    assert client.context is not None
    assert handler.parent is not None
    assert handler.parent.span_id == client.context.span_id
    for span in (client, handler):
        attributes = dict(span.attributes or {})
        assert attributes["rpc.system"] == "grpc"
        assert attributes["rpc.service"] == SERVICE
        assert attributes["rpc.method"] == "Reserve"
        assert attributes["rpc.grpc.status_code"] == 0
    assert dict(client.attributes or {})["peer.service"] == "inventory"
    line = lines.with_message(f"{SERVICE}/Reserve OK")
    assert line["request.id"] == work.request_id
    assert line["trace.id"] == f"{client.context.trace_id:032x}"


def test_request_id_token_and_deadline_are_propagated(reserve: Callable[..., bytes], server: _Server) -> None:
    seen: list[Any] = []

    def behaviour(request: bytes, context: Any) -> bytes:
        deadline = current_deadline()
        assert deadline is not None
        seen.extend([request_id(), deadline.remaining()])
        return b""

    server.behaviour = behaviour
    with unit_of_work("job") as work, use_deadline(Deadline.after(0.7)):
        reserve(b"")
    assert seen[0] == work.request_id
    assert 0 < seen[1] <= 0.75
    assert server.metadata["authorization"] == f"Bearer {TOKEN}"


def test_a_caller_without_a_token_starts_a_new_trace(server: _Server, spans: MemoryProcessor) -> None:
    channel = client_channel("inventory", f"127.0.0.1:{server.port}")
    method(channel)(b"")
    handler = next(span for span in spans.spans if span.kind is SpanKind.SERVER)
    assert handler.parent is None
    assert len(handler.links) == 1
    channel.close()


@pytest.mark.parametrize(
    ("code", "outcome", "server_status"),
    [
        (grpc.StatusCode.NOT_FOUND, "ok", StatusCode.UNSET),
        (grpc.StatusCode.FAILED_PRECONDITION, "ok", StatusCode.UNSET),
        (grpc.StatusCode.INTERNAL, "error", StatusCode.ERROR),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "error", StatusCode.UNSET),
    ],
)
def test_answers_of_the_callee_stay_rpc_errors(
    reserve: Callable[..., bytes],
    server: _Server,
    spans: MemoryProcessor,
    code: grpc.StatusCode,
    outcome: str,
    server_status: StatusCode,
) -> None:
    def refuse(request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("out-of-stock", "[]"),))
        context.abort(code, "no")
        return b""

    server.behaviour = refuse
    labels = {"dependency": "inventory", "protocol": "grpc", "operation": "Reserve", "outcome": outcome}
    with grown("dependency_call_duration_seconds_count", **labels), pytest.raises(grpc.RpcError) as caught:
        reserve(b"")
    error: Any = caught.value
    assert error.code() is code
    assert dict(error.trailing_metadata())["out-of-stock"] == "[]"
    handler = next(span for span in spans.spans if span.kind is SpanKind.SERVER)
    assert handler.status.status_code is server_status


def test_an_unhandled_exception_is_unknown_and_recorded(
    reserve: Callable[..., bytes], server: _Server, spans: MemoryProcessor
) -> None:
    def fail(request: bytes, context: Any) -> bytes:
        raise ZeroDivisionError("nothing to divide")

    server.behaviour = fail
    with pytest.raises(grpc.RpcError):
        reserve(b"")
    handler = next(span for span in spans.spans if span.kind is SpanKind.SERVER)
    assert dict(handler.attributes or {})["error.type"] == "ZeroDivisionError"
    assert [dict(event.attributes or {})["exception.type"] for event in handler.events] == ["ZeroDivisionError"]


def test_a_slow_callee_is_a_timeout(reserve: Callable[..., bytes], server: _Server) -> None:
    def slow(request: bytes, context: Any) -> bytes:
        time.sleep(1)
        return b""

    server.behaviour = slow
    with use_deadline(Deadline.after(0.2)), pytest.raises(DependencyTimeout):
        reserve(b"")


def test_a_port_without_a_listener_is_refused_within_the_timeout() -> None:
    channel = client_channel("inventory", f"127.0.0.1:{free_port()}", timeout=1.0)
    with pytest.raises(DependencyRefused):
        method(channel)(b"")
    channel.close()


def test_nothing_is_sent_after_the_deadline(reserve: Callable[..., bytes], server: _Server) -> None:
    with use_deadline(Deadline.after(0)), pytest.raises(DependencyRejected):
        reserve(b"")
    assert server.metadata == {}


def test_unavailable_is_retried_only_when_configured(server: _Server) -> None:
    calls: list[int] = []

    def once(request: bytes, context: Any) -> bytes:
        calls.append(1)
        if len(calls) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return b"now"

    server.behaviour = once
    target = f"127.0.0.1:{server.port}"
    plain = client_channel("inventory", target)
    with pytest.raises(DependencyRefused):
        method(plain)(b"")
    calls.clear()
    retrying = client_channel("inventory", target, retries=RetryPolicy(attempts=2, backoff=0.001))
    assert method(retrying)(b"") == b"now"
    plain.close()
    retrying.close()


def test_a_streaming_answer_ends_its_span_at_the_end(server: _Server, spans: MemoryProcessor, lines: Lines) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    assert list(cast(Any, channel).unary_stream(f"/{SERVICE}/Watch")(b"")) == [b"1", b"2"]
    channel.close()
    server.close()
    span = spans.only()
    assert span.context is not None
    assert lines.with_message("watching")["trace.id"] == f"{span.context.trace_id:032x}"


def test_a_failed_rpc_is_kept_on_both_sides_although_the_sampler_dropped_it(lines: Lines) -> None:
    with tracing_with(sampler="always_off") as spans:
        server = _Server()
        channel = client_channel("inventory", f"127.0.0.1:{server.port}", TOKEN, SERVICE)

        def fail(request: bytes, context: Any) -> bytes:
            raise ValueError("no")

        server.behaviour = fail
        with pytest.raises(grpc.RpcError), unit_of_work("job"):
            method(channel)(b"")
        channel.close()
        server.close()
    assert sorted(span.name for span in spans.spans) == ["inventory.v1.Inventory/Reserve"] * 2 + ["job"]
    assert len({span.context.trace_id for span in spans.spans if span.context}) == 1
