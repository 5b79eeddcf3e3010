"""Secrets in every part of an RPC and of a message appear in no signal, although the handler quotes all of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pika
import pytest
from django_telemetry.amqp import Consumer, Message, Publisher, Reject
from django_telemetry.grpc import client_channel, server_interceptors
from google.protobuf.struct_pb2 import Struct
from platform_testing.polling import eventually

from .harness import Everything, consuming

PLAIN = "hunter2planted"
CARD = "4111 1111 1111 1111"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SERVICE = "shop.v1.Shop"

logger = logging.getLogger("tests.privacy")


def _fail_with(*sent: Any) -> None:
    """Fail like careless code: the input is in a log line, the message, its cause and a local variable."""
    logger.error("could not use %s", sent)
    try:
        raise LookupError(sent)
    except LookupError as exc:
        raise RuntimeError(", ".join(map(str, sent))) from exc


def _quote(request: Any, context: grpc.ServicerContext) -> Any:
    _fail_with(request, context.invocation_metadata(), context.peer())


def _quote_all(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    _fail_with([str(request) for request in requests], context.invocation_metadata())


def _quote_details(request: Any, context: grpc.ServicerContext) -> Any:
    context.abort(grpc.StatusCode.INTERNAL, f"could not use {request} of {context.invocation_metadata()}")


@pytest.fixture
def target(everything: Everything) -> Iterator[str]:
    """The address of a server whose handlers quote all of their input."""
    server = grpc.server(ThreadPoolExecutor(4), interceptors=server_interceptors())
    serializers: dict[str, Any] = {
        "request_deserializer": Struct.FromString,
        "response_serializer": Struct.SerializeToString,
    }
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(_quote, **serializers),
        "Plain": grpc.unary_unary_rpc_method_handler(_quote),
        "Stream": grpc.stream_unary_rpc_method_handler(_quote_all, **serializers),
        "Details": grpc.unary_unary_rpc_method_handler(_quote_details, **serializers),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait(5)


@pytest.fixture
def channel(target: str) -> Iterator[Any]:
    """A channel without the library's interceptor, so that it can send anything."""
    with grpc.insecure_channel(target, options=[("grpc.default_authority", f"{PLAIN}.example")]) as made:
        yield made


def _struct(**fields: Any) -> bytes:
    message = Struct()
    message.update(fields)
    return message.SerializeToString()


BODY = _struct(note=PLAIN, deep={"list": [f"{PLAIN} and more"]}, **{f"{PLAIN}key": 1})
# Every part of an RPC that a client can set: (method, request, metadata).
PLACES: dict[str, tuple[str, bytes, tuple[tuple[str, str | bytes], ...]]] = {
    "request": ("Unary", BODY, ()),
    "request of plain bytes": ("Plain", f"note={PLAIN}".encode(), ()),
    "requests of a stream": ("Stream", BODY, ()),
    "error details": ("Details", BODY, (("x-own", PLAIN),)),
    "unknown method": (f"Unknown{PLAIN}", BODY, ()),
    "metadata": ("Unary", b"", (("x-own", PLAIN),)),
    "binary metadata": ("Unary", b"", (("x-own-bin", PLAIN.encode()),)),
    "name of metadata": ("Unary", b"", ((f"x-{PLAIN}", "1"),)),
    "authorization": ("Unary", b"", (("authorization", f"Bearer {PLAIN}"),)),
    "invalid request id": ("Unary", b"", (("x-request-id", f"{PLAIN} {PLAIN}"),)),
    "invalid traceparent": ("Unary", b"", (("traceparent", f"00-{PLAIN}"),)),
    "tracestate": ("Unary", b"", (("traceparent", TRACE), ("tracestate", f"vendor={PLAIN}"))),
    "baggage": ("Unary", b"", (("traceparent", TRACE), ("baggage", f"user={PLAIN}"))),
    "authority": ("Unary", b"", ()),
}


@pytest.mark.parametrize("place", PLACES)
def test_values_of_an_rpc_that_its_handler_quotes_are_removed(channel: Any, everything: Everything, place: str) -> None:
    method, request, metadata = PLACES[place]
    path = f"/{SERVICE}/{method}"
    call = channel.stream_unary(path) if method == "Stream" else channel.unary_unary(path)
    with pytest.raises(grpc.RpcError):
        call(iter([request]) if method == "Stream" else request, metadata=metadata)
    # The answer is sent before the interceptor ends. An unknown method is not served and is in no signal.
    if not method.startswith("Unknown"):
        eventually(lambda: everything.text()["traces"], "a span")
        errors = ["errors"] if method != "Details" else []
        everything.check(PLAIN, said=("traces", "logs", "metrics", *errors))
    everything.check(PLAIN, said=())


def test_values_that_a_callee_quotes_in_its_answer_are_removed_at_the_caller(
    target: str, everything: Everything
) -> None:
    ours = client_channel("shop", target)
    with pytest.raises(grpc.RpcError):
        cast(Any, ours).unary_unary(f"/{SERVICE}/Details")(_struct(note=CARD), metadata=(("x-own", CARD),))
    ours.close()
    eventually(
        lambda: everything.text()["traces"].count(f"{SERVICE}/Details"),
        "the spans of both calls",
        accept=lambda actual: actual >= 2,
    )
    everything.check(CARD)


class _Queue:
    """A queue, and messages published to it without the library."""

    def __init__(self, url: str) -> None:
        self.url, self.name, self.dead = url, f"queue-{uuid.uuid4().hex[:12]}", f"dead-{uuid.uuid4().hex[:12]}"
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.exchange_declare("events", "topic")
        self.channel.queue_declare(self.name)
        self.channel.queue_bind(self.name, "events", "#")
        self.channel.exchange_declare(self.dead, "direct")
        self.channel.queue_declare(f"{self.name}.dead")
        self.channel.queue_bind(f"{self.name}.dead", self.dead, self.name)

    def consume(self, handler: Callable[[Message], None], until: Callable[[], Any]) -> None:
        consumer = Consumer(self.url, self.name, handler, max_deliveries=2, dead_letter_exchange=self.dead)
        with consuming(consumer):
            eventually(until, "every message in the dead letters", timeout=30)

    def dead_letters(self) -> int:
        return int(self.channel.queue_declare(f"{self.name}.dead", passive=True).method.message_count)

    def close(self) -> None:
        for name in (self.name, f"{self.name}.dead"):
            self.channel.queue_delete(name)
        self.channel.exchange_delete(self.dead)
        self.channel.exchange_delete("events")
        self.connection.close()


@pytest.fixture
def queue(rabbitmq_url: str) -> Iterator[_Queue]:
    made = _Queue(rabbitmq_url)
    yield made
    made.close()


# Every part of a message that its publisher can set: (routing key, body, properties).
MESSAGES: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "JSON body": ("order.x", b'{"note": "hunter2planted", "hunter2plantedkey": ["hunter2planted x"]}', {}),
    "other body": ("order.x", b"note=hunter2planted", {}),
    "header": ("order.x", b"{}", {"headers": {"x-own": PLAIN, "x-deep": {"a": [PLAIN]}}}),
    "binary header": ("order.x", b"{}", {"headers": {"x-own": PLAIN.encode()}}),
    "name of a header": ("order.x", b"{}", {"headers": {PLAIN: "1"}}),
    "invalid request id": ("order.x", b"{}", {"headers": {"x-request-id": f"{PLAIN} {PLAIN}"}}),
    "invalid traceparent": ("order.x", b"{}", {"headers": {"traceparent": f"00-{PLAIN}"}}),
    "baggage": ("order.x", b"{}", {"headers": {"traceparent": TRACE, "baggage": f"user={PLAIN}"}}),
    "message id": ("order.x", b"{}", {"message_id": f"{PLAIN} {PLAIN}"}),
    "routing key": (f"order. {PLAIN}", b"{}", {}),
    "user and application": ("order.x", b"{}", {"app_id": PLAIN, "type": PLAIN, "correlation_id": PLAIN}),
}


@pytest.mark.parametrize("how", ["fails", "rejects"])
def test_values_of_a_message_that_its_handler_quotes_are_removed(
    queue: _Queue, everything: Everything, how: str
) -> None:
    def handle(message: Message) -> None:
        if how == "rejects":
            # The part before the colon becomes a label value, unless the message contains it.
            sent = (message.body, *message.headers, *message.headers.values())
            kind = PLAIN if sent[0] != b"{}" or PLAIN in sent or PLAIN.encode() in sent else "unusable"
            raise Reject(f"{kind}: cannot use {message.body!r} {dict(message.headers)}")
        _fail_with(message.body, dict(message.headers))

    for key, body, properties in MESSAGES.values():
        queue.channel.basic_publish("events", key, body, pika.BasicProperties(**properties))
    queue.consume(handle, lambda: queue.dead_letters() == len(MESSAGES))
    everything.check(PLAIN, said=("traces", "logs", "metrics", *(["errors"] if how == "fails" else [])))


def test_a_card_number_as_a_message_id_or_routing_key_is_not_shown(queue: _Queue, everything: Everything) -> None:
    publisher = Publisher(queue.url)
    number = CARD.replace(" ", "")
    publisher.publish("events", f"order.{number}", b"{}", message_id=number)
    publisher.close()

    def handle(message: Message) -> None:
        raise Reject("unknown_card")

    queue.consume(handle, queue.dead_letters)
    everything.check(number)
