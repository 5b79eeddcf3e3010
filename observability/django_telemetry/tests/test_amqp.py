"""The publisher and the consumer with a real RabbitMQ."""

from __future__ import annotations

import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from django_telemetry.amqp import Backoff, Consumer, Message, Publisher, Reject, _consumer
from django_telemetry.context import carrier, request_id, trace_ids, unit_of_work
from django_telemetry.deadlines import Deadline, use_deadline
from django_telemetry.edges import DependencyError, DependencyRefused, DependencyRejected, DependencyTimeout
from opentelemetry.trace import SpanKind, StatusCode
from platform_testing.polling import eventually

from .harness import Lines, MemoryProcessor, consuming, free_port, grown, in_threads, sample


class _Broker:
    """An exchange, a quorum queue and its dead-letter queue, with unique names for each test."""

    def __init__(self, url: str) -> None:
        self.url = url
        suffix = uuid.uuid4().hex[:12]
        self.exchange, self.queue, self.dead_exchange = f"events-{suffix}", f"queue-{suffix}", f"dead-{suffix}"
        self.dead = f"{self.queue}.dead"
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self._connection.channel()
        self.channel.exchange_declare(self.exchange, "topic", durable=True)
        self.channel.exchange_declare(self.dead_exchange, "direct", durable=True)
        self.channel.queue_declare(self.queue, durable=True, arguments={"x-queue-type": "quorum"})
        self.channel.queue_declare(self.dead, durable=True)
        self.channel.queue_bind(self.queue, self.exchange, "order.#")
        self.channel.queue_bind(self.dead, self.dead_exchange, self.queue)

    def get(self, queue: str) -> tuple[Any, bytes] | None:
        _, properties, body = self.channel.basic_get(queue, auto_ack=True)
        return None if properties is None else (properties, body)

    def close(self) -> None:
        for queue in (self.queue, self.dead):
            self.channel.queue_delete(queue)
        for exchange in (self.exchange, self.dead_exchange):
            self.channel.exchange_delete(exchange)
        self._connection.close()


@pytest.fixture
def broker(rabbitmq_url: str, spans: MemoryProcessor, lines: Lines) -> Iterator[_Broker]:
    made = _Broker(rabbitmq_url)
    yield made
    made.close()


@pytest.fixture
def publisher(broker: _Broker) -> Iterator[Publisher]:
    made = Publisher(broker.url)
    yield made
    made.close()


@pytest.fixture
def consume(broker: _Broker) -> Iterator[Callable[..., Consumer]]:
    """Start consumers in threads; they are stopped after the test."""
    with ExitStack() as running:

        def start(handler: Callable[[Message], None], **options: Any) -> Consumer:
            consumer = Consumer(broker.url, broker.queue, handler, dead_letter_exchange=broker.dead_exchange, **options)
            running.enter_context(consuming(consumer))
            return consumer

        yield start


def test_a_published_message_carries_its_trace_and_request_id(
    broker: _Broker, publisher: Publisher, spans: MemoryProcessor
) -> None:
    labels = {
        "dependency": "rabbitmq",
        "protocol": "amqp",
        "operation": f"{broker.exchange} publish",
        "outcome": "ok",
    }
    with grown("dependency_call_duration_seconds_count", **labels), unit_of_work("job") as work:
        publisher.publish(broker.exchange, "order.confirmed.v1", b"{}", message_id="m-1", headers={"own": "1"})
    span, job = spans.named(f"{broker.exchange} publish"), spans.named("job")
    assert span.kind is SpanKind.PRODUCER
    assert span.context is not None
    assert job.context is not None
    assert span.parent is not None
    assert span.parent.span_id == job.context.span_id
    actual = broker.get(broker.queue)
    assert actual is not None
    properties, body = actual
    assert body == b"{}"
    assert properties.message_id == "m-1"
    assert properties.delivery_mode == 2
    assert properties.headers["own"] == "1"
    assert properties.headers["x-request-id"] == work.request_id
    assert properties.headers["traceparent"].startswith(f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-")
    attributes = dict(span.attributes or {})
    assert attributes["messaging.system"] == "rabbitmq"
    assert attributes["messaging.destination.name"] == broker.exchange
    assert attributes["messaging.message.id"] == "m-1"


def test_a_stored_event_belongs_to_the_trace_that_stored_it(
    broker: _Broker, publisher: Publisher, spans: MemoryProcessor
) -> None:
    with unit_of_work("order") as order:
        stored = carrier()
    with unit_of_work("relay loop"):
        publisher.publish(broker.exchange, "order.x", b"", message_id="m", trace_context=stored)
    order_span, span = spans.named("order"), spans.named(f"{broker.exchange} publish")
    assert order_span.context is not None
    assert span.parent is not None
    assert span.parent.span_id == order_span.context.span_id
    actual = broker.get(broker.queue)
    assert actual is not None
    assert actual[0].headers["x-request-id"] == order.request_id


def test_the_handler_runs_in_the_trace_of_the_message(
    broker: _Broker, publisher: Publisher, consume: Callable[..., Consumer], spans: MemoryProcessor, lines: Lines
) -> None:
    seen: list[Any] = []

    def handle(message: Message) -> None:
        seen.append((message.body, message.message_id, message.routing_key, message.delivery_count))
        seen.append((request_id(), trace_ids()))

    consume(handle)
    with unit_of_work("order") as order:
        publisher.publish(broker.exchange, "order.confirmed.v1", b"hello", message_id="m-7")
    process = eventually(
        lambda: [s for s in spans.spans if s.name == f"{broker.queue} process"], "the consumer's span"
    )[0]
    publish = spans.named(f"{broker.exchange} publish")
    assert seen[0] == (b"hello", "m-7", "order.confirmed.v1", 0)
    assert process.kind is SpanKind.CONSUMER
    assert process.context is not None
    assert publish.context is not None
    assert process.parent is not None
    assert process.parent.span_id == publish.context.span_id
    assert process.context.trace_id == publish.context.trace_id
    assert seen[1] == (order.request_id, (f"{process.context.trace_id:032x}", f"{process.context.span_id:016x}"))
    assert lines.with_message(f"{broker.queue} ok")["request.id"] == order.request_id
    assert broker.get(broker.queue) is None


def test_a_rejected_message_is_dead_lettered_with_its_reason(
    broker: _Broker, publisher: Publisher, consume: Callable[..., Consumer]
) -> None:
    reasons: list[str] = []

    def handle(message: Message) -> None:
        raise Reject("not valid: token=verysecretvalue")

    consume(handle, on_dead_letter=lambda message, reason: reasons.append(reason))
    publisher.publish(broker.exchange, "order.x", b"bad", message_id="m-8")
    properties, body = eventually(lambda: broker.get(broker.dead), "the rejected message in the dead letters")
    assert body == b"bad"
    assert properties.message_id == "m-8"
    assert properties.headers["x-error-reason"] == "not valid: token=[redacted]"
    assert properties.headers["x-original-routing-key"] == "order.x"
    eventually(lambda: reasons, "on_dead_letter to be called")
    eventually(
        lambda: sample("messaging_process_duration_seconds_count", destination=broker.queue, outcome="rejected"),
        "the rejection to be measured",
        accept=lambda actual: actual == 1,
    )
    assert sample("messages_dead_lettered_total", queue=broker.queue, reason="not_valid") == 1


def test_dead_letters_start_at_zero_for_every_known_reason(broker: _Broker) -> None:
    Consumer(broker.url, broker.queue, lambda _: None, reject_reasons=("no_such_type",))
    for reason in ("delivery_limit", "no_such_type"):
        assert sample("messages_dead_lettered_total", queue=broker.queue, reason=reason) == 0


class _Pauses(Backoff):
    """Pauses of constant length. Records the number of failures that each was requested for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds, seconds)
        self.asked: list[int] = []

    def pause(self, failures: int) -> float:
        self.asked.append(failures)
        return self.first


def test_a_message_that_fails_five_times_is_dead_lettered(
    broker: _Broker, publisher: Publisher, consume: Callable[..., Consumer], spans: MemoryProcessor
) -> None:
    counts: list[int] = []

    def handle(message: Message) -> None:
        counts.append(message.delivery_count)
        raise LookupError("still missing")

    pauses = _Pauses(0.01)
    consume(handle, backoff=pauses)
    publisher.publish(broker.exchange, "order.x", b"poison", message_id="m-9")
    properties, _ = eventually(lambda: broker.get(broker.dead), "the message in the dead letters", timeout=20)
    assert counts == [0, 1, 2, 3, 4]
    assert pauses.asked == [0, 1, 2, 3], "none before the dead letters"
    assert properties.headers["x-error-reason"] == "delivery_limit: LookupError"
    eventually(
        lambda: sample("messages_dead_lettered_total", queue=broker.queue, reason="delivery_limit"),
        "the dead letter to be counted",
        accept=lambda actual: actual == 1,
    )
    process = [span for span in spans.spans if span.name == f"{broker.queue} process"]
    assert all(span.status.status_code is StatusCode.ERROR for span in process)


def test_a_stop_finishes_the_current_message(
    broker: _Broker, publisher: Publisher, consume: Callable[..., Consumer]
) -> None:
    started, release = threading.Event(), threading.Event()

    def handle(message: Message) -> None:
        started.set()
        assert release.wait(10)

    consumer = consume(handle)
    publisher.publish(broker.exchange, "order.x", b"1", message_id="a")
    assert started.wait(10)
    consumer.stop()
    release.set()
    eventually(
        lambda: sample("messaging_process_duration_seconds_count", destination=broker.queue, outcome="ok"),
        "the message to be measured",
        accept=lambda actual: actual == 1,
    )
    eventually(lambda: not consumer.connected.is_set(), "the consumer to disconnect")
    assert broker.get(broker.queue) is None, "the current message was not acknowledged"


def test_a_stop_ends_the_pause_after_a_failure(
    broker: _Broker, publisher: Publisher, consume: Callable[..., Consumer]
) -> None:
    def handle(message: Message) -> None:
        raise LookupError("still missing")

    pauses = _Pauses(3600)
    consumer = consume(handle, backoff=pauses)
    publisher.publish(broker.exchange, "order.x", b"1", message_id="a")
    eventually(lambda: pauses.asked, "the first pause", accept=lambda actual: actual == [0])
    consumer.stop()
    eventually(lambda: broker.get(broker.queue), "the message back in the queue")


def test_an_unroutable_message_is_an_error_when_mandatory(broker: _Broker, publisher: Publisher) -> None:
    publisher.publish(broker.exchange, "no.queue", b"", message_id="m")
    with pytest.raises(DependencyError, match="no queue"):
        publisher.publish(broker.exchange, "no.queue", b"", message_id="m", mandatory=True)
    publisher.publish(broker.exchange, "order.x", b"", message_id="still-usable")


def test_a_port_without_a_listener_is_refused(spans: MemoryProcessor) -> None:
    publisher = Publisher(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    with pytest.raises(DependencyRefused):
        publisher.publish("events", "x", b"", message_id="m", timeout=2)


def test_nothing_is_published_after_the_deadline(publisher: Publisher, broker: _Broker) -> None:
    with use_deadline(Deadline.after(0)), pytest.raises(DependencyRejected):
        publisher.publish(broker.exchange, "order.x", b"", message_id="m")
    assert broker.get(broker.queue) is None


class _Tap:
    """A TCP relay to the broker that can stop forwarding the broker's data, or cut the connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5672)
        self.silent = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            broker = socket.create_connection(self._target)
            self._sockets += [client, broker]
            threading.Thread(target=self._pass, args=(client, broker, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(broker, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self.silent.is_set():
                    continue
                target.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        for each in self._sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._sockets.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()


@pytest.fixture
def tap(rabbitmq_url: str) -> Iterator[_Tap]:
    made = _Tap(rabbitmq_url)
    yield made
    made.close()


def test_a_missing_confirm_is_a_timeout(broker: _Broker, tap: _Tap) -> None:
    publisher = Publisher(tap.url)
    publisher.publish(broker.exchange, "order.x", b"1", message_id="m1")
    tap.silent.set()
    start = time.monotonic()
    with pytest.raises(DependencyTimeout):
        publisher.publish(broker.exchange, "order.x", b"2", message_id="m2", timeout=0.5)
    assert time.monotonic() - start < 1.5
    tap.silent.clear()
    publisher.publish(broker.exchange, "order.x", b"3", message_id="m3")
    publisher.close()


def test_a_broker_that_accepts_and_never_answers_is_a_timeout(broker: _Broker, tap: _Tap) -> None:
    tap.silent.set()
    publisher = Publisher(tap.url)
    with pytest.raises(DependencyTimeout):
        publisher.publish(broker.exchange, "order.x", b"1", message_id="m1", timeout=0.5)
    tap.cut()
    tap.silent.clear()
    publisher.publish(broker.exchange, "order.x", b"2", message_id="m2")
    publisher.close()


def test_a_consumer_survives_a_broker_that_accepts_and_never_answers(
    broker: _Broker, publisher: Publisher, tap: _Tap, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_consumer, "CONNECT_TIMEOUT", 0.3)
    seen: list[bytes] = []
    consumer = Consumer(
        tap.url, broker.queue, lambda message: seen.append(message.body), dead_letter_exchange=broker.dead_exchange
    )
    tap.silent.set()
    with consuming(consumer) as thread:
        eventually(
            lambda: "trying again" in caplog.text or not thread.is_alive(), "the consumer to try again", timeout=15
        )
        assert thread.is_alive(), "the consumer gave up: a process manager would restart it again and again"
        tap.cut()
        tap.silent.clear()
        publisher.publish(broker.exchange, "order.x", b"after", message_id="m")
        eventually(
            lambda: seen, "the message after the silence", accept=lambda actual: actual == [b"after"], timeout=15
        )


def test_a_connection_that_broke_while_idle_is_reopened(broker: _Broker, tap: _Tap) -> None:
    publisher = Publisher(tap.url)
    publisher.publish(broker.exchange, "order.x", b"1", message_id="m1")
    tap.cut()
    publisher.publish(broker.exchange, "order.x", b"2", message_id="m2")
    publisher.close()


def test_a_consumer_reconnects_after_its_connection_broke(
    broker: _Broker, publisher: Publisher, tap: _Tap, spans: MemoryProcessor
) -> None:
    seen: list[bytes] = []
    consumer = Consumer(
        tap.url, broker.queue, lambda message: seen.append(message.body), dead_letter_exchange=broker.dead_exchange
    )
    with consuming(consumer):
        assert consumer.connected.wait(10)
        tap.cut()
        publisher.publish(broker.exchange, "order.x", b"after", message_id="m")
        eventually(lambda: seen, "the message after the cut", accept=lambda actual: actual == [b"after"], timeout=15)


def test_connecting_runs_the_setup_once_for_each_connection(broker: _Broker, tap: _Tap) -> None:
    calls: list[int] = []

    def set_up(channel: Any) -> None:
        calls.append(1)
        channel.queue_bind(broker.queue, broker.exchange, "other.#")

    publisher = Publisher(tap.url, "queues", setup=set_up)
    labels = {"dependency": "queues", "protocol": "amqp", "operation": "setup", "outcome": "ok"}
    assert sample("dependency_call_duration_seconds_count", **labels) == 0
    publisher.connect()
    publisher.connect()
    publisher.publish(broker.exchange, "other.x", b"1", message_id="m1", mandatory=True)
    assert (len(calls), sample("dependency_call_duration_seconds_count", **labels)) == (1, 1)
    tap.cut()
    publisher.publish(broker.exchange, "other.x", b"2", message_id="m2", mandatory=True)
    assert len(calls) == 2
    publisher.close()


def test_a_setup_that_the_broker_rejects_is_a_failed_connect(broker: _Broker) -> None:
    refuse = [True]

    def set_up(channel: Any) -> None:
        if refuse:
            channel.exchange_declare(broker.exchange, "direct", durable=True)  # it is a topic exchange

    publisher = Publisher(broker.url, setup=set_up)
    labels = {"dependency": "rabbitmq", "protocol": "amqp", "operation": "setup", "outcome": "refused"}
    with grown("dependency_call_duration_seconds_count", **labels), pytest.raises(DependencyRefused):
        publisher.connect()
    refuse.clear()
    publisher.connect()
    publisher.publish(broker.exchange, "order.x", b"1", message_id="m1", mandatory=True)
    publisher.close()


def test_connecting_to_a_broker_that_accepts_and_never_answers_is_a_timeout(tap: _Tap) -> None:
    tap.silent.set()
    with pytest.raises(DependencyTimeout):
        Publisher(tap.url).connect(timeout=0.3)


def test_a_setup_that_is_not_answered_is_a_timeout(tap: _Tap) -> None:
    def set_up(channel: Any) -> None:
        tap.silent.set()
        channel.exchange_declare("amq.topic", passive=True)

    with pytest.raises(DependencyTimeout):
        Publisher(tap.url, setup=set_up).connect(timeout=0.5)


def _has_said(caplog: pytest.LogCaptureFixture, text: str, times: int) -> bool:
    return caplog.text.count(text) >= times


def test_a_consumer_that_was_connected_restarts_with_short_pauses(
    broker: _Broker, tap: _Tap, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = Consumer(tap.url, broker.queue, lambda _: None, dead_letter_exchange=broker.dead_exchange)
    with consuming(consumer):
        for times in range(1, 4):
            eventually(consumer.connected.is_set, "a connection")
            tap.cut()
            eventually(partial(_has_said, caplog, "trying again in", times), "the consumer to notice the loss")
        eventually(consumer.connected.is_set, "the last connection")
    pauses = [float(pause) for pause in re.findall(r"trying again in ([\d.]+) s", caplog.text)]
    assert max(pauses) < 1.0, f"expected the shortest pause each time, actual {pauses}"


def test_threads_may_publish_at_once(broker: _Broker, publisher: Publisher) -> None:
    in_threads(20, lambda number: publisher.publish(broker.exchange, "order.x", b"", message_id=str(number)))
    ids = set()
    while actual := broker.get(broker.queue):
        ids.add(actual[0].message_id)
    assert ids == {str(n) for n in range(20)}
