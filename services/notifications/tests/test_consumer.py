"""The consumer on a real broker with a real mail server: one mail per event, and no message lost or stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from contracts.events import ORDER_CANCELLED, ORDER_CONFIRMED
from contracts.testing.broker import Broker, DeadLetter
from django.db import connection
from django_telemetry.amqp import Backoff, Consumer
from mailing.consumer import QUEUE, OrderEventHandler
from mailing.models import Notification
from platform_testing.polling import eventually

from tests.conftest import TRACE_ID, customer, order_event, person
from tests.metrics import counted
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE_FOLDER = Path(__file__).parent.parent
HEADERS = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}


class Running:
    """A consumer in a thread, with shorter pauses than in production."""

    def __init__(self, url: str) -> None:
        self.consumer = Consumer(url, QUEUE.name, OrderEventHandler(), prefetch=1, backoff=Backoff(first=0.2))
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
def consumer(broker: Broker, broker_url: str, smtp: MailServer) -> Iterator[Running]:
    """A running consumer."""
    running = Running(broker_url)
    yield running
    running.stop()


def dead_letter(broker: Broker, timeout: float = 15) -> DeadLetter:
    return eventually(lambda: broker.dead_letter(QUEUE), f"a message in {QUEUE.dead_letter_queue}", timeout=timeout)


def kept(event: dict[str, Any]) -> Callable[[], bool]:
    return lambda: Notification.objects.filter(event_id=event["id"]).exists()


@pytest.mark.parametrize("event_type", [ORDER_CONFIRMED, ORDER_CANCELLED])
def test_an_event_is_mailed_and_listed_with_its_trace(
    broker: Broker, consumer: Running, smtp: MailServer, event_type: str
) -> None:
    event = order_event(event_type)
    broker.publish(event, event_type, HEADERS)
    eventually(kept(event), "the mail to be kept")
    (mail,) = smtp.mails
    assert (mail["X-Order-ID"], mail["X-Trace-ID"]) == (event["subject"], TRACE_ID)
    (entry,) = person(event["data"]["customer"]["id"]).get("/api/v1/notifications").json()["results"]
    assert (entry["order_id"], entry["trace_id"]) == (event["subject"], TRACE_ID)


def test_an_event_received_twice_sends_one_mail(broker: Broker, consumer: Running, smtp: MailServer) -> None:
    event, last = order_event(), order_event()
    for message in (event, event, last):
        broker.publish(message, ORDER_CONFIRMED)
    eventually(kept(last), "the last event to be handled")
    assert [mail["X-Order-ID"] for mail in smtp.mails] == [event["subject"], last["subject"]]


def _changed(**changes: Any) -> bytes:
    return json.dumps({**order_event(), **changes}).encode()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[]", "not_an_object"),
        (_changed(type="order.shipped.v1"), "unknown_type"),
        (_changed(data={}), "schema_violation"),
        (_changed(time="yesterday"), "schema_violation"),
        (_changed(type=ORDER_CANCELLED), "schema_violation"),
        (b'{"filling": "' + b"x" * 300_000 + b'"}', "too_large"),
    ],
)
def test_a_poison_message_is_dead_lettered_with_its_reason(
    broker: Broker, consumer: Running, smtp: MailServer, message: bytes, reason: str
) -> None:
    with counted("mails_failed_total", reason="invalid_event") as failed:
        broker.publish(message, "order.confirmed.v1")
        dead = dead_letter(broker)
    assert (dead.body, dead.reason) == (message, reason)
    assert failed() == 1
    good = order_event()
    broker.publish(good, ORDER_CONFIRMED)
    eventually(kept(good), "the next message to be handled")
    assert len(smtp.mails) == 1


def test_a_refused_recipient_is_dead_lettered(broker: Broker, consumer: Running, smtp: MailServer) -> None:
    smtp.recipient_answer = "550 no such user"
    with counted("mails_failed_total", reason="recipient_refused") as failed:
        broker.publish(order_event(), ORDER_CONFIRMED)
        dead = dead_letter(broker)
    assert dead.reason == "recipient_refused"
    assert failed() == 1
    assert not Notification.objects.exists()


def test_an_impossible_address_is_dead_lettered(broker: Broker, consumer: Running, smtp: MailServer) -> None:
    # The schema's pattern accepts it; a header must not.
    event = order_event(customer=customer(email="ann@example..com"))
    broker.publish(event, ORDER_CONFIRMED)
    assert dead_letter(broker).reason == "invalid_recipient"
    assert smtp.mails == []


def test_a_mail_server_outage_that_ends_loses_no_message(broker: Broker, consumer: Running, smtp: MailServer) -> None:
    smtp.recipient_answer = "450 come again"
    event = order_event()
    with counted("mails_failed_total", reason="unavailable") as failed:
        broker.publish(event, ORDER_CONFIRMED)
        eventually(failed, "two failed deliveries", accept=lambda actual: actual >= 2)
        smtp.recipient_answer = "250 ok"
        eventually(kept(event), "the mail to be kept")
    assert failed() >= 2
    assert len(smtp.mails) == 1
    assert broker.dead_letter(QUEUE) is None


def test_a_message_that_fails_five_times_is_dead_lettered(broker: Broker, consumer: Running, smtp: MailServer) -> None:
    smtp.recipient_answer = "450 come again"
    event = order_event()
    with counted("mails_failed_total", reason="unavailable") as failed:
        broker.publish(event, ORDER_CONFIRMED)
        dead = dead_letter(broker, 30)
    assert dead.reason == "delivery_limit: MailUnavailable"
    assert json.loads(dead.body) == event
    assert failed() == 5


class TestProcess:
    """`manage.py consume` in a separate process."""

    @pytest.fixture
    def start(self, broker: Broker, broker_url: str, smtp: MailServer) -> Iterator[Callable[[], subprocess.Popen[str]]]:
        """Starts the command on the test's database; kills remaining processes at the end."""
        parts = urlsplit(os.environ["DATABASE_URL"])
        database = urlunsplit((parts.scheme, parts.netloc, f"/{connection.settings_dict['NAME']}", "", ""))
        environ = {**os.environ, "DATABASE_URL": database, "EMAIL_URL": smtp.url, "RABBITMQ_URL": broker_url}
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

    def test_a_consumer_killed_before_the_mail_is_accepted_loses_nothing(
        self, broker: Broker, smtp: MailServer, start: Callable[[], subprocess.Popen[str]]
    ) -> None:
        smtp.data_answer = "451 not taken"
        smtp.answer_mails.clear()
        process = start()
        event = order_event()
        broker.publish(event, ORDER_CONFIRMED)
        eventually(lambda: smtp.offered, "the mail to be at the server", accept=lambda actual: actual == 1)
        process.kill()
        process.wait()
        eventually(
            lambda: broker.ready(QUEUE), "the message to be back in the queue", accept=lambda actual: actual == 1
        )
        assert not kept(event)()
        smtp.data_answer = "250 ok"
        smtp.answer_mails.set()
        start()
        eventually(kept(event), "the mail to be sent by the next consumer", timeout=20)
        assert len(smtp.mails) == 1

    def test_a_mail_duplicated_by_a_kill_has_the_same_message_id(
        self, broker: Broker, smtp: MailServer, start: Callable[[], subprocess.Popen[str]]
    ) -> None:
        smtp.answer_mails.clear()
        process = start()
        event = order_event()
        broker.publish(event, ORDER_CONFIRMED)
        eventually(lambda: len(smtp.mails), "the mail to be taken, but not answered", accept=lambda actual: actual == 1)
        process.kill()
        process.wait()
        smtp.answer_mails.set()
        start()
        eventually(kept(event), "the mail to be sent by the next consumer", timeout=20)
        assert [mail["Message-ID"] for mail in smtp.mails] == [f"<{event['id']}@shop.example>"] * 2
        assert Notification.objects.count() == 1

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_stop_finishes_the_current_message(
        self, broker: Broker, smtp: MailServer, start: Callable[[], subprocess.Popen[str]], number: int
    ) -> None:
        smtp.answer_mails.clear()
        process = start()
        event, later = order_event(), order_event()
        broker.publish(event, ORDER_CONFIRMED)
        eventually(lambda: len(smtp.mails), "the mail to be at the server", accept=lambda actual: actual == 1)
        broker.publish(later, ORDER_CONFIRMED)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        smtp.answer_mails.set()
        assert process.wait(timeout=15) == 0
        assert kept(event)()
        eventually(
            lambda: broker.ready(QUEUE),
            "the next message to wait for the next consumer",
            accept=lambda actual: actual == 1,
        )
        assert not kept(later)()

    def test_a_folder_that_is_not_writable_stops_the_start(self, broker_url: str, tmp_path: Path) -> None:
        file = tmp_path / "a-file"
        file.touch()
        ended = subprocess.run(
            [sys.executable, "manage.py", "consume"],
            cwd=SERVICE_FOLDER,
            env={**os.environ, "EMAIL_URL": f"file://{file}", "RABBITMQ_URL": broker_url},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode != 0
        assert str(file) in ended.stderr


def test_the_order_of_a_mail_belongs_to_its_recipient(broker: Broker, consumer: Running) -> None:
    event = order_event()
    broker.publish(event, ORDER_CONFIRMED)
    eventually(kept(event), "the mail to be kept")
    assert person(uuid.uuid4()).get("/api/v1/notifications").json()["results"] == []
