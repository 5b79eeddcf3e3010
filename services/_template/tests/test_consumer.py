"""The consumer on a real broker: each confirmed order is recorded once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contracts.events import ORDER_CONFIRMED
from contracts.testing.broker import Broker
from django.db import connection
from django_telemetry.amqp import Consumer
from django_telemetry.metrics import registry
from newapp.consumer import QUEUE, handle
from newapp.models import Record
from platform_testing.polling import eventually

from tests.conftest import order_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def consumer(broker: Broker, broker_url: str) -> Iterator[Consumer]:
    """A running consumer."""
    consumer = Consumer(broker_url, QUEUE.name, handle, prefetch=1)

    def run() -> None:
        try:
            consumer.run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield consumer
    consumer.stop()
    thread.join(20)
    assert not thread.is_alive(), "the consumer doesn't stop"


def recorded(event: dict[str, Any]) -> Callable[[], bool]:
    return lambda: Record.objects.filter(event_id=event["id"]).exists()


def counted(result: str) -> float:
    return registry.get_sample_value("newservice_records_total", {"result": result}) or 0.0


@pytest.mark.usefixtures("consumer")
def test_an_event_that_arrives_twice_is_recorded_once(broker: Broker) -> None:
    before = counted("recorded"), counted("duplicate")
    event, last = order_event(), order_event()
    for message in (event, event, last):
        broker.publish(message, ORDER_CONFIRMED)
    eventually(recorded(last), "the last event to be recorded")
    assert Record.objects.count() == 2
    assert (counted("recorded"), counted("duplicate")) == (before[0] + 2, before[1] + 1)


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize(
    ("message", "reason"),
    [(b"", "malformed_json"), (b"[]", "not_an_object"), ({**order_event(), "data": {}}, "schema_violation")],
)
def test_what_is_no_event_goes_to_the_dead_letters_with_its_reason(
    broker: Broker, message: bytes | dict[str, Any], reason: str
) -> None:
    broker.publish(message, ORDER_CONFIRMED)
    dead = eventually(lambda: broker.dead_letter(QUEUE), f"a message in {QUEUE.dead_letter_queue}")
    assert dead.reason == reason
    assert not Record.objects.exists()
