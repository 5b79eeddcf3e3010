"""The consumer on a real broker: every cancelled order is voided once, and no message is lost or stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from card_provider.behaviour import Behaviour
from card_provider.ledger import REFUNDED
from card_provider.server import CardProvider as Simulator
from charging import clients, domain
from charging.consumer import QUEUE, OrderCancelledHandler
from charging.models import Charge, InboxEvent, Status
from contracts.events import ORDER_CANCELLED, encode, new_event
from contracts.testing.broker import Broker, DeadLetter
from django.db import connection
from django.test import Client
from django_telemetry.amqp import Backoff, Consumer, Message
from platform_testing.polling import eventually

from tests.conftest import AT_ONCE, body, post_charge, url_of
from tests.metrics import counted

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE_FOLDER = Path(__file__).parent.parent


def cancelled(order_id: Any = None) -> dict[str, Any]:
    """Build an event for a cancelled order."""
    order_id = str(order_id or uuid.uuid4())
    data = {
        "order_id": order_id,
        "customer": {"id": str(uuid.uuid4()), "email": "ann@example.com", "name": "Ann"},
        "items": [{"product_id": str(uuid.uuid4()), "quantity": 1}],
        "placed_at": "2026-01-02T03:04:05.678+00:00",
        "reason": "payment_unavailable",
        "charge_attempted": True,
    }
    return new_event(ORDER_CANCELLED, service="orders", subject=order_id, data=data)


class Running:
    """A consumer in a thread, with shorter pauses than in production."""

    def __init__(self, url: str, provider: clients.CardProvider) -> None:
        handler = OrderCancelledHandler(provider)
        self.consumer = Consumer(url, QUEUE.name, handler, prefetch=1, backoff=Backoff(first=0.2))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.consumer.run()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the consumer and wait until it has ended."""
        self.consumer.stop()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the consumer doesn't stop"


@pytest.fixture
def consumer(broker: Broker, broker_url: str, provider: clients.CardProvider) -> Iterator[Running]:
    """A running consumer."""
    running = Running(broker_url, provider)
    yield running
    running.stop()


def dead_letter(broker: Broker, timeout: float = 15) -> DeadLetter:
    return eventually(lambda: broker.dead_letter(QUEUE), f"a message in {QUEUE.dead_letter_queue}", timeout=timeout)


def put_back() -> AbstractContextManager[Callable[[], float]]:
    """Counts the requeued messages."""
    return counted("messaging_process_duration_seconds_count", destination=QUEUE.name, outcome="requeued")


def voided(order_id: Any) -> Callable[[], bool]:
    return lambda: Charge.objects.filter(order_id=order_id, status=Status.VOIDED).exists()


def test_a_cancelled_order_is_refunded(api: Client, broker: Broker, consumer: Running, simulator: Simulator) -> None:
    data = body()
    post_charge(api, data)
    event = cancelled(data["order_id"])
    broker.publish(event, ORDER_CANCELLED)
    eventually(voided(data["order_id"]), "the charge to be voided")
    assert [charge.status for charge in simulator.ledger.charges()] == [REFUNDED]
    assert InboxEvent.objects.get().event_id == uuid.UUID(event["id"])


def test_an_order_that_was_not_charged_gets_a_tombstone(
    broker: Broker, consumer: Running, simulator: Simulator
) -> None:
    event = cancelled()
    broker.publish(event, ORDER_CANCELLED)
    eventually(voided(event["subject"]), "the tombstone")
    assert InboxEvent.objects.filter(event_id=event["id"]).exists()
    assert len(simulator.ledger) == 0


def test_an_event_received_twice_is_handled_once(
    broker: Broker, consumer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[Any] = []
    void = domain.void

    def note(*args: Any, **kwargs: Any) -> Charge:
        handled.append(args)
        return void(*args, **kwargs)

    monkeypatch.setattr(domain, "void", note)
    event, last = cancelled(), cancelled()
    for message in (event, event, last):
        broker.publish(message, ORDER_CANCELLED)
    eventually(voided(last["subject"]), "the last event to be handled")
    assert [args[0] for args in handled] == [uuid.UUID(event["subject"]), uuid.UUID(last["subject"])]
    assert InboxEvent.objects.count() == 2


def _changed(**changes: Any) -> bytes:
    return json.dumps({**cancelled(), **changes}).encode()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[" * 5000, "malformed_json"),
        (b"[]", "not_an_object"),
        (b"{}", "unknown_type"),
        (_changed(type="order.cancelled.v9"), "unknown_type"),
        (_changed(type="../../etc/passwd"), "unknown_type"),
        (_changed(id="7"), "schema_violation"),
        (_changed(data={}), "schema_violation"),
        (_changed(data=None), "schema_violation"),
        (_changed(source="/services/elsewhere"), "schema_violation"),
        (_changed(time="yesterday"), "schema_violation"),
        (_changed(type="order.confirmed.v1"), "schema_violation"),
        (b'{"filling": "' + b"x" * 300_000 + b'"}', "too_large"),
    ],
)
def test_a_poison_message_is_dead_lettered_with_its_reason(
    broker: Broker, consumer: Running, message: bytes, reason: str
) -> None:
    broker.publish(message, ORDER_CANCELLED)
    dead = dead_letter(broker)
    assert (dead.body, dead.reason) == (message, reason)
    good = cancelled()
    broker.publish(good, ORDER_CANCELLED)
    eventually(voided(good["subject"]), "the next message to be handled")


def test_an_event_type_of_another_queue_is_rejected(broker: Broker, consumer: Running) -> None:
    event = cancelled()
    item = {"sku": "A", "name": "A", "unit_price": "1.00", **event["data"]["items"][0]}
    data = {**event["data"], "items": [item], "total": {"amount": "1.00", "currency": "EUR"}}
    confirmed = new_event("order.confirmed.v1", service="orders", subject=event["subject"], data=data)
    broker.publish(encode(confirmed), ORDER_CANCELLED)
    assert dead_letter(broker).reason == "unexpected_type"
    assert not Charge.objects.exists()


def test_a_refused_refund_is_dead_lettered(api: Client, broker: Broker, consumer: Running) -> None:
    data = body()
    post_charge(api, data)
    Charge.objects.update(provider_ref=f"ch_{'0' * 32}")
    broker.publish(cancelled(data["order_id"]), ORDER_CANCELLED)
    assert dead_letter(broker).reason == "refund_refused"
    assert Charge.objects.get().status == Status.CAPTURED
    assert not InboxEvent.objects.exists()


def test_a_provider_outage_that_ends_loses_no_message(
    api: Client, broker: Broker, consumer: Running, simulator: Simulator
) -> None:
    data = body()
    post_charge(api, data)
    simulator.control.behaviour = Behaviour(error_ratio=1, median_ms=0, p99_ms=0)
    with put_back() as times:
        broker.publish(cancelled(data["order_id"]), ORDER_CANCELLED)
        eventually(times, "two failed deliveries", accept=lambda actual: actual >= 2)
    simulator.control.behaviour = AT_ONCE
    eventually(voided(data["order_id"]), "the charge to be voided")
    assert broker.dead_letter(QUEUE) is None


def test_a_message_that_fails_five_times_is_dead_lettered(
    api: Client, broker: Broker, consumer: Running, simulator: Simulator
) -> None:
    data = body()
    post_charge(api, data)
    simulator.control.behaviour = Behaviour(error_ratio=1, median_ms=0, p99_ms=0)
    event = cancelled(data["order_id"])
    with put_back() as times:
        broker.publish(event, ORDER_CANCELLED)
        dead = dead_letter(broker, 30)
    assert dead.reason == "delivery_limit: ProviderUnavailable"
    assert json.loads(dead.body) == event
    assert times() == 4, "and the fifth delivery is the last"
    assert Charge.objects.get().status == Status.CAPTURED
    assert not InboxEvent.objects.exists()


def test_the_effect_and_the_inbox_are_one_transaction(
    api: Client, provider: clients.CardProvider, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = body()
    post_charge(api, data)
    event = cancelled(data["order_id"])
    message = Message(encode(event), event["id"], ORDER_CANCELLED, 0)
    handler = OrderCancelledHandler(provider)

    def fail(*args: Any) -> None:
        raise RuntimeError("between the effect and the inbox")

    with monkeypatch.context() as broken:
        broken.setattr(domain, "_keep", fail)
        with pytest.raises(RuntimeError):
            handler(message)
    assert Charge.objects.get().status == Status.CAPTURED, "the effect stands without its inbox row"
    handler(message)
    assert Charge.objects.get().status == Status.VOIDED
    assert InboxEvent.objects.count() == 1


def test_the_trace_of_the_message_continues_at_the_provider(
    broker: Broker, consumer: Running, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = uuid.uuid4()
    money = {"amount": "19.90", "currency": "EUR"}
    taken = simulator.ledger.charge(key=str(order_id), source="tok_ok", **money)
    Charge.objects.create(
        order_id=order_id, status=Status.CAPTURED, provider_ref=taken.id, idempotency_key=str(order_id), **money
    )
    seen: list[str] = []
    answer = simulator.app

    def note(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ.get("HTTP_TRACEPARENT", ""))
        return answer(environ, start_response)

    monkeypatch.setattr(simulator, "app", note)
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    broker.publish(cancelled(order_id), ORDER_CANCELLED, headers=headers)
    eventually(voided(order_id), "the charge to be voided")
    assert [traceparent.split("-")[1] for traceparent in seen] == [trace_id]


class TestProcess:
    """`manage.py consume` in a separate process."""

    @pytest.fixture
    def start(
        self, broker: Broker, broker_url: str, simulator: Simulator
    ) -> Iterator[Callable[[], subprocess.Popen[str]]]:
        """Starts the command on the test's database; kills remaining processes at the end."""
        parts = urlsplit(os.environ["DATABASE_URL"])
        database = urlunsplit((parts.scheme, parts.netloc, f"/{connection.settings_dict['NAME']}", "", ""))
        environ = {
            **os.environ,
            "DATABASE_URL": database,
            "CARD_PROVIDER_URL": url_of(simulator),
            "RABBITMQ_URL": broker_url,
        }
        started: list[subprocess.Popen[str]] = []

        def run() -> subprocess.Popen[str]:
            command = [sys.executable, "manage.py", "consume"]
            process = subprocess.Popen(command, cwd=SERVICE_FOLDER, env=environ, stdout=subprocess.PIPE, text=True)
            started.append(process)
            eventually(
                lambda: broker.consumers(QUEUE) or process.poll() is not None, "the consumer to connect", timeout=30
            )
            assert process.poll() is None, process.communicate()
            return process

        yield run
        for process in started:
            process.kill()
            process.communicate()

    def test_a_killed_consumer_loses_nothing(
        self, api: Client, broker: Broker, simulator: Simulator, start: Callable[[], subprocess.Popen[str]]
    ) -> None:
        data = body()
        post_charge(api, data)
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=2500)
        process = start()
        broker.publish(cancelled(data["order_id"]), ORDER_CANCELLED)
        eventually(
            lambda: {charge.status for charge in simulator.ledger.charges()},
            "the current message",
            accept=lambda actual: REFUNDED in actual,
        )
        process.kill()
        process.wait()
        assert Charge.objects.get().status == Status.CAPTURED, "killed before the answer: not written yet"
        eventually(
            lambda: broker.ready(QUEUE), "the message to be back in the queue", accept=lambda actual: actual == 1
        )
        simulator.control.behaviour = AT_ONCE
        start()
        eventually(voided(data["order_id"]), "the charge to be voided by the next consumer")
        assert [charge.status for charge in simulator.ledger.charges()] == [REFUNDED]
        assert InboxEvent.objects.count() == 1

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_stop_finishes_the_current_message(
        self, api: Client, broker: Broker, simulator: Simulator, start: Callable[[], subprocess.Popen[str]], number: int
    ) -> None:
        data = body()
        post_charge(api, data)
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=1000)
        process = start()
        broker.publish(cancelled(data["order_id"]), ORDER_CANCELLED)
        eventually(
            lambda: {charge.status for charge in simulator.ledger.charges()},
            "the current message",
            accept=lambda actual: REFUNDED in actual,
        )
        later = cancelled()
        broker.publish(later, ORDER_CANCELLED)
        process.send_signal(number)
        assert process.wait(timeout=15) == 0
        assert voided(data["order_id"])()
        eventually(
            lambda: broker.ready(QUEUE),
            "the next message to wait for the next consumer",
            accept=lambda actual: actual == 1,
        )
        assert not Charge.objects.filter(order_id=later["subject"]).exists()

    def test_a_stop_interrupts_a_pause(
        self, api: Client, broker: Broker, simulator: Simulator, start: Callable[[], subprocess.Popen[str]]
    ) -> None:
        data = body()
        post_charge(api, data)
        simulator.control.behaviour = Behaviour(error_ratio=1, median_ms=0, p99_ms=0)
        process = start()
        broker.publish(cancelled(data["order_id"]), ORDER_CANCELLED)
        assert process.stdout is not None
        failures = (line for line in process.stdout if "is put back" in line)
        for _ in range(4):
            next(failures)  # the fourth failure pauses for 6 to 10 s
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        eventually(
            lambda: broker.ready(QUEUE), "the message to be back in the queue", accept=lambda actual: actual == 1
        )
        assert Charge.objects.get().status == Status.CAPTURED
