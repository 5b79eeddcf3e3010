"""All telemetry of a unit of work, of any kind and in threads that it starts, has the ids of that work."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pika
import pytest
from django.core.management import call_command
from django.test import AsyncClient, Client
from django_telemetry.amqp import Consumer, Message
from django_telemetry.commands import TelemetryCommand
from django_telemetry.context import request_id, unit_of_work
from django_telemetry.edges import timed_call
from django_telemetry.grpc import server_interceptors
from platform_testing.polling import eventually
from prometheus_client import REGISTRY

from .harness import Everything, Lines, MemoryProcessor, consuming, tracing_with
from .speaking import SAID, speak


class Command(TelemetryCommand):
    """A typical management command."""

    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        speak()


def _in_a_stream() -> None:
    response = Client().get("/speaking/stream")
    list(cast(Any, response).streaming_content)
    response.close()


def _in_an_async_stream() -> None:
    async def read() -> None:
        response = await AsyncClient().get("/speaking/async-stream")
        _ = [part async for part in cast(Any, response).streaming_content]
        response.close()

    asyncio.run(read())


def _in_an_async_view() -> None:
    answer: Any = AsyncClient().get("/speaking/async-view")
    asyncio.run(answer)


def _in_a_unit_of_work() -> None:
    with unit_of_work("job"):
        speak()


def _in_an_rpc(streaming: bool) -> None:
    def unary(request: bytes, context: Any) -> bytes:
        speak()
        return b""

    def streamed(request: bytes, context: Any) -> Iterator[bytes]:
        yield b"one"
        speak()

    server = grpc.server(ThreadPoolExecutor(2), interceptors=server_interceptors())
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Streamed": grpc.unary_stream_rpc_method_handler(streamed),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = channel
        if streaming:
            list(stub.unary_stream("/shop.Shop/Streamed")(b""))
        else:
            stub.unary_unary("/shop.Shop/Unary")(b"")
    server.stop(5).wait(5)


WORKS: dict[str, tuple[str, Callable[[], Any]]] = {
    "a request": ("GET speaking/view", lambda: Client().get("/speaking/view")),
    "a request under ASGI": ("GET speaking/async-view", _in_an_async_view),
    "a streaming response": ("GET speaking/stream", _in_a_stream),
    "a streaming response under ASGI": ("GET speaking/async-stream", _in_an_async_stream),
    "a unit of work": ("job", _in_a_unit_of_work),
    "a management command": ("manage.py test_correlation", lambda: call_command(Command())),
    "a gRPC handler": ("shop.Shop/Unary", lambda: _in_an_rpc(streaming=False)),
    "a streaming gRPC handler": ("shop.Shop/Streamed", lambda: _in_an_rpc(streaming=True)),
}


@pytest.mark.django_db  # closing a response closes old connections
@pytest.mark.parametrize("kind", WORKS)
def test_log_lines_and_error_reports_carry_the_ids_of(
    spans: MemoryProcessor, lines: Lines, everything: Everything, kind: str
) -> None:
    name, run = WORKS[kind]
    run()
    check_ids(name, spans, lines, everything)


def check_ids(name: str, spans: MemoryProcessor, lines: Lines, everything: Everything) -> None:
    """Check that everything emitted by speak() belongs to the span called ``name``."""
    eventually(lambda: [span for span in spans.spans if span.name == name], f"the end of the span {name!r}")
    span = spans.named(name)
    assert span.context is not None
    ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    said = [lines.with_message(f"said in the {where}") for where in SAID]
    assert [(line["trace.id"], line["span.id"]) for line in said] == [ids] * 3
    (request,) = {line["request.id"] for line in said}
    events = {
        event["exception"]["values"][0]["value"]: event
        for event in (json.loads(line) for line in everything.text()["errors"].splitlines() if '"exception"' in line)
    }
    assert sorted(events) == sorted(f"reported in the {where}" for where in SAID)
    for event in events.values():
        trace = event["contexts"]["trace"]
        assert (trace["trace_id"], trace["span_id"]) == ids
        assert event["tags"]["request_id"] == request
    assert request_id() is None, "the work is over, and its context should be too"


def test_log_lines_and_error_reports_carry_the_ids_of_a_message(
    rabbitmq_url: str, spans: MemoryProcessor, lines: Lines, everything: Everything
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel, queue = connection.channel(), f"queue-{uuid.uuid4().hex[:12]}"
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"{}", pika.BasicProperties(message_id="m-1"))
    handled = threading.Event()

    def handle(_message: Message) -> None:
        speak()
        handled.set()

    with consuming(Consumer(rabbitmq_url, queue, handle)):
        assert handled.wait(20), "the message was not handled within 20 s"
    channel.queue_delete(queue)
    connection.close()
    check_ids(f"{queue} process", spans, lines, everything)


def _exemplars(family: str, **labels: str) -> list[dict[str, str]]:
    return [
        sample.exemplar.labels
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == f"{family}_bucket" and sample.exemplar and labels.items() <= sample.labels.items()
    ]


@pytest.mark.parametrize("sampled", [True, False])
def test_only_sampled_traces_are_exemplars(lines: Lines, sampled: bool) -> None:
    name = f"job-{uuid.uuid4().hex[:8]}"
    with (
        tracing_with(sampler="always_on" if sampled else "always_off", tail=False) as memory,
        unit_of_work(name),
        timed_call(name, "http", "GET /x"),
    ):
        pass
    work, edge = (
        _exemplars("unit_of_work_duration_seconds", name=name),
        _exemplars("dependency_call_duration_seconds", dependency=name),
    )
    if not sampled:
        assert (work, edge) == ([], [])
        return
    for span, exemplars in ((memory.named(name), work), (memory.named("GET /x"), edge)):
        assert span.context is not None
        ids = {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}
        assert exemplars == [ids]


@pytest.mark.parametrize("sampled", [True, False])
def test_only_sampled_rpcs_are_exemplars(lines: Lines, sampled: bool) -> None:
    before = len(_exemplars("grpc_server_handling_seconds", grpc_service="shop.Shop"))
    with tracing_with(sampler="always_on" if sampled else "always_off", tail=False) as memory:
        _in_an_rpc(streaming=False)
        if sampled:
            eventually(lambda: memory.spans, "a span")
    found = _exemplars("grpc_server_handling_seconds", grpc_service="shop.Shop")
    if sampled:
        context = memory.named("shop.Shop/Unary").context
        assert context is not None
        assert f"{context.trace_id:032x}" in [exemplar["trace_id"] for exemplar in found]
    else:
        assert len(found) == before
