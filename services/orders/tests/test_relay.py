"""From the outbox to the broker: at least once, in order, in the right trace, whatever fails."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pika
import pytest
from contracts import events
from django.db import connection, transaction
from django.utils import timezone
from django_telemetry.edges import DependencyError, DependencyTimeout
from django_telemetry.logs import EcsFormatter
from django_telemetry.metrics import registry
from django_telemetry.retries import Backoff
from ordering import outbox, relay
from ordering.broker import Broker
from ordering.models import OutboxEvent
from ordering.relay import Relay, publish_batch
from ordering.timing import Timing
from platform_testing.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CARRIER = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "x-request-id": "placing"}
NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
QUEUE = events.queue_named("notifications.orders").name


def write_event(carrier: dict[str, str] | None = None) -> str:
    """Write an event to the outbox; returns its id."""
    order_id = str(uuid.uuid4())
    event = events.new_event(
        events.ORDER_CONFIRMED,
        service="orders",
        subject=order_id,
        data={
            "order_id": order_id,
            "customer": {"id": str(uuid.uuid4()), "email": "ada@example.com", "name": "Ada"},
            "items": [{"product_id": str(uuid.uuid4()), "sku": "S", "name": "N", "quantity": 1, "unit_price": "1.00"}],
            "total": {"amount": "1.00", "currency": "EUR"},
            "placed_at": timezone.now().isoformat(),
        },
    )
    with transaction.atomic():
        outbox.add(event, carrier or CARRIER)
    return str(event["id"])


class Queue:
    """Reads a consumer's queue."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        events.declare_topology(self.channel)
        for queue in events.QUEUES:
            self.channel.queue_purge(queue.name)
        self.messages: list[tuple[Any, bytes]] = []

    def ids(self) -> list[str]:
        """Return the ids of all messages received so far."""
        while True:
            method, properties, body = self.channel.basic_get(QUEUE, auto_ack=True)
            if method is None:
                return [properties.message_id for properties, _ in self.messages]
            self.messages.append((properties, body))


@pytest.fixture
def queue(broker_url: str) -> Iterator[Queue]:
    """The notifications queue, empty."""
    queue = Queue(broker_url)
    yield queue
    queue.connection.close()


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """The broker as the relay uses it."""
    broker = Broker(broker_url, timeout=5.0)
    broker.prepare()
    yield broker
    broker.close()


@contextmanager
def running(broker: Broker, timing: Timing | None = None) -> Iterator[threading.Event]:
    """Run the relay's loop in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=Relay(broker, timing or Timing(), stop).run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(timeout=15)
        assert not thread.is_alive(), "the relay has to end when asked to"


def publish_once(broker: Broker) -> None:
    """Publish on a separate connection, as another process would."""
    try:
        publish_batch(broker)
    finally:
        connection.close()


def unpublished() -> int:
    return OutboxEvent.objects.filter(published_at__isnull=True).count()


def test_events_are_published_in_order_and_marked(queue: Queue, broker: Broker) -> None:
    ids = [write_event() for _ in range(5)]
    assert publish_batch(broker) == 5
    assert queue.ids() == ids
    assert unpublished() == 0
    assert set(OutboxEvent.objects.values_list("attempts", flat=True)) == {1}
    assert publish_batch(broker) == 0, "each once"


def test_a_message_is_a_valid_event_that_survives_the_broker(queue: Queue, broker: Broker) -> None:
    [event_id] = [write_event()]
    publish_batch(broker)
    queue.ids()
    [(properties, body)] = queue.messages
    assert events.decode(body)["id"] == properties.message_id == event_id
    assert (properties.delivery_mode, properties.content_type) == (2, "application/json")


def test_a_message_carries_the_trace_and_request_that_created_it(queue: Queue, broker: Broker) -> None:
    write_event()
    publish_batch(broker)
    queue.ids()
    [(properties, _)] = queue.messages
    version, trace_id, span_id, flags = properties.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    assert span_id != "b7ad6b7169203331", "publishing has a span of its own, a child of the order's"
    assert properties.headers["x-request-id"] == "placing"


class Lines(logging.Handler):
    """Records the lines that a logger writes, as they are sent to stdout."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(EcsFormatter())
        self.written: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(json.loads(self.format(record)))


def test_publishing_is_logged_with_the_trace_of_the_order(queue: Queue, broker: Broker) -> None:
    lines, logger = Lines(), logging.getLogger("ordering.relay")
    logger.addHandler(lines)
    try:
        event_id = write_event()
        publish_batch(broker)
    finally:
        logger.removeHandler(lines)
    [line] = lines.written
    assert (line["message"], line["cloudevents.event_id"]) == ("Event published", event_id)
    assert (line["trace.id"], line["request.id"]) == (TRACE_ID, "placing")


def test_published_events_are_counted_by_type(queue: Queue, broker: Broker) -> None:
    labels = {"type": events.ORDER_CONFIRMED}
    before = registry.get_sample_value("outbox_published_total", labels)
    assert before is not None
    assert registry.get_sample_value("outbox_published_total", {"type": events.ORDER_CANCELLED}) is not None
    write_event()
    publish_batch(broker)
    assert registry.get_sample_value("outbox_published_total", labels) == before + 1


def test_while_the_broker_is_down_events_stay_in_the_outbox() -> None:
    write_event()
    broker = Broker(NO_BROKER, timeout=1.0)
    with pytest.raises(DependencyError):
        publish_batch(broker)
    event = OutboxEvent.objects.get()
    assert (event.published_at, event.attempts) == (None, 1)


def test_a_broker_that_accepts_a_connection_but_never_answers_is_reported_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_broker = Broker(f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}/", timeout=0.3)
        with pytest.raises(DependencyTimeout):
            silent_broker.prepare()


def test_events_confirmed_before_a_failure_are_not_published_again(
    queue: Queue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [write_event() for _ in range(3)]

    class DiesAfterTwo(Broker):
        """Publishes two events and then fails."""

        published = 0

        def publish(self, event: OutboxEvent) -> None:
            if self.published == 2:
                raise DependencyError("rabbitmq", "publish")
            self.published += 1
            broker.publish(event)

    with pytest.raises(DependencyError):
        publish_batch(DiesAfterTwo(NO_BROKER, 1.0))
    assert list(OutboxEvent.objects.order_by("created_at").values_list("attempts", flat=True)) == [1, 1, 1]
    assert unpublished() == 1
    assert publish_batch(broker) == 1
    assert queue.ids() == ids


def test_an_event_that_no_queue_would_receive_is_not_lost(queue: Queue, broker: Broker) -> None:
    for bound in events.QUEUES:
        queue.channel.queue_delete(bound.name)
    event_id = write_event()
    with pytest.raises(DependencyError):
        publish_batch(broker)
    assert unpublished() == 1
    broker.prepare()
    assert publish_batch(broker) == 1
    assert queue.ids() == [event_id]


def test_two_relays_do_not_publish_the_same_event(queue: Queue, broker: Broker) -> None:
    ids = [write_event() for _ in range(2)]
    with transaction.atomic():
        # The batch of another relay.
        OutboxEvent.objects.select_for_update().get(pk=ids[0])
        other = threading.Thread(target=publish_once, args=(broker,))
        other.start()
        other.join(timeout=10)
        assert not other.is_alive(), "the other one must not wait"
    assert queue.ids() == [ids[1]]


def test_a_new_event_is_published_at_once(queue: Queue, broker: Broker) -> None:
    """Proves the database notification: with a poll each minute nothing else is as fast."""
    with running(broker, Timing(poll_every=60.0)) as stop:
        first = write_event()
        eventually(
            queue.ids, "the first event, which proves that the relay is up", accept=lambda actual: actual == [first]
        )
        second = write_event()
        eventually(queue.ids, "the second event", accept=lambda actual: actual == [first, second], timeout=5.0)
        stop.set()
        write_event()  # wakes the relay


def test_an_event_of_a_rolled_back_transaction_is_never_published(queue: Queue, broker: Broker) -> None:
    with running(broker):
        with transaction.atomic():
            write_event()
            transaction.set_rollback(True)
        marker = write_event()
        eventually(queue.ids, "the event that was committed", accept=lambda actual: marker in actual)
    assert queue.ids() == [marker]


def test_a_broker_that_recovers_gets_the_waiting_events(
    queue: Queue, broker_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Many attempts, but one log line for the failure and one for the recovery."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(relay, "BACKOFF", Backoff(first=0.02, most=0.1))
    tries = 0

    class Away(Broker):
        """Refuses connections until it recovers."""

        def prepare(self) -> None:
            nonlocal tries
            tries += 1
            if tries <= 5:
                Broker(NO_BROKER, 1.0).prepare()
            super().prepare()

    event_id = write_event()
    broker = Away(broker_url, 5.0)
    with running(broker):
        eventually(queue.ids, "the event", accept=lambda actual: actual == [event_id])
    broker.close()
    said = [record.message for record in caplog.records if record.name == "ordering.health"]
    assert said == ["rabbitmq is not available; trying again until it is", "rabbitmq is back"]


def test_a_lost_database_connection_is_reopened(queue: Queue, broker: Broker) -> None:
    with running(broker):
        first = write_event()
        eventually(queue.ids, "the first event", accept=lambda actual: actual == [first])
        # Otherwise the relay publishes it a second time after the loss (at least once).
        eventually(unpublished, "the first event recorded as published", accept=lambda actual: actual == 0)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        second = write_event()
        eventually(queue.ids, "the event after the loss", accept=lambda actual: actual == [first, second], timeout=20.0)


class Process:
    """`manage.py relay` in a separate process, killed at the end if it still runs."""

    def __init__(self, broker_url: str, log: Path) -> None:
        parts = urlsplit(os.environ["DATABASE_URL"])
        environment = {
            **os.environ,
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}")),
            "RABBITMQ_URL": broker_url,
        }
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "manage.py", "relay"],
                cwd=Path(__file__).parents[1],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition; AssertionError with the process's output at the deadline."""
        try:
            eventually(lambda: condition() or self.popen.poll() is not None, what, timeout=45.0)
            assert condition(), f"the relay ended before {what}"
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe relay wrote:\n{self.log.read_text()}") from None

    def end(self, signum: int) -> None:
        """Send the signal and wait; AssertionError unless the process exits cleanly after SIGTERM."""
        self.popen.send_signal(signum)
        status = self.popen.wait(timeout=30)
        if signum == signal.SIGTERM:
            assert status == 0, f"the relay ended with {status} and wrote:\n{self.log.read_text()}"


@pytest.fixture
def start(broker_url: str, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts relay processes."""
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(broker_url, tmp_path / "relay.log"))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.wait()


@contextmanager
def marking_blocked() -> Iterator[None]:
    """Within the block no event can be marked as published: a trigger waits for a lock held by the test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION wait_for_test() RETURNS trigger AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$ LANGUAGE plpgsql"
        )
        cursor.execute(
            "CREATE TRIGGER wait_for_test BEFORE UPDATE ON ordering_outboxevent"
            " FOR EACH ROW EXECUTE FUNCTION wait_for_test()"
        )
        cursor.execute("SELECT pg_advisory_lock(42)")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(42)")
            cursor.execute("DROP TRIGGER wait_for_test ON ordering_outboxevent")
            cursor.execute("DROP FUNCTION wait_for_test")


def test_a_relay_killed_before_it_marks_an_event_loses_nothing(queue: Queue, start: Callable[[], Process]) -> None:
    event_id = write_event()
    with marking_blocked():
        process = start()
        process.wait_for("the event was published but not marked", lambda: queue.ids() == [event_id])
        process.end(signal.SIGKILL)
        assert unpublished() == 1
    process = start()
    process.wait_for("the next relay published it again", lambda: queue.ids() == [event_id, event_id])
    process.wait_for("it was marked", lambda: unpublished() == 0)
    process.end(signal.SIGTERM)


def test_sigterm_lets_the_relay_finish_its_batch(queue: Queue, start: Callable[[], Process]) -> None:
    event_id = write_event()
    with marking_blocked():
        process = start()
        process.wait_for("the event was published but not marked", lambda: queue.ids() == [event_id])
        process.popen.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.popen.wait(timeout=0.5)
    process.popen.wait(timeout=30)
    assert process.popen.returncode == 0, process.log.read_text()
    assert unpublished() == 0, "what was published has to be marked before the end"
