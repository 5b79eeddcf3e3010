"""The content of mails, and the handling of the mail server's responses."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from contracts.events import ORDER_CANCELLED
from django.db import DatabaseError, connection
from django.utils import timezone
from mailing import domain, mails
from mailing.mails import MailRefused, MailUnavailable
from mailing.models import Kind, Notification
from platform_testing.polling import eventually

from tests.conftest import TRACE_ID, customer, order_event
from tests.metrics import counted
from tests.smtp import MailServer

pytestmark = pytest.mark.django_db


def text_of(server: MailServer) -> str:
    payload = server.mails[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_a_confirmed_order_is_mailed_and_recorded(smtp: MailServer) -> None:
    event = order_event()
    with (
        counted("mails_sent_total", kind="order_confirmed") as sent,
        counted("order_mail_delay_seconds_count") as measured,
    ):
        assert domain.notify(event, TRACE_ID) is True
    (mail,) = smtp.mails
    order_id = event["data"]["order_id"]
    assert mail["To"] == "ann@example.com"
    assert mail["From"] == "orders@shop.example"
    assert mail["Subject"] == f"Your order {order_id} is confirmed"
    assert mail["X-Order-ID"] == order_id
    assert mail["X-Trace-ID"] == TRACE_ID
    assert mail["Message-ID"] == f"<{event['id']}@shop.example>"
    text = text_of(smtp)
    for expected in ("Dear Ann Example,", order_id, "2 x Blue mug at 9.95", "Total: 19.90 EUR"):
        assert expected in text
    kept = Notification.objects.get()
    assert (str(kept.event_id), str(kept.order_id), str(kept.user_id), kept.kind, kept.recipient, kept.trace_id) == (
        event["id"],
        order_id,
        event["data"]["customer"]["id"],
        Kind.ORDER_CONFIRMED,
        "ann@example.com",
        TRACE_ID,
    )
    assert timezone.now() - kept.sent_at < timedelta(seconds=10)
    assert (sent(), measured()) == (1, 1)


@pytest.mark.parametrize("reason", mails._REASONS)
def test_a_cancelled_order_shows_the_reason(smtp: MailServer, reason: str) -> None:
    event = order_event(ORDER_CANCELLED, reason=reason)
    with counted("mails_sent_total", kind="order_cancelled") as sent:
        domain.notify(event, TRACE_ID)
    assert smtp.mails[0]["Subject"] == f"Your order {event['data']['order_id']} was cancelled"
    assert mails._REASONS[reason] in text_of(smtp)
    assert sent() == 1


def test_every_reason_of_the_contract_has_its_text() -> None:
    from contracts.events.envelope import schema

    allowed = schema(ORDER_CANCELLED)["properties"]["data"]["properties"]["reason"]["enum"]
    assert set(mails._REASONS) == set(allowed)


def test_a_cancelled_order_may_lack_prices(smtp: MailServer) -> None:
    event = order_event(ORDER_CANCELLED, items=[{"product_id": str(uuid.uuid4()), "quantity": 3}])
    del event["data"]["total"]
    domain.notify(event, "")
    assert f"3 x {event['data']['items'][0]['product_id']}\r\n" in text_of(smtp)


def test_the_delay_is_measured_from_the_time_of_the_event(smtp: MailServer) -> None:
    event = order_event()
    event["time"] = (timezone.now() - timedelta(seconds=40)).isoformat()
    with counted("order_mail_delay_seconds_sum") as seconds:
        domain.notify(event, TRACE_ID)
    assert 40 <= seconds() < 45


def test_a_clock_that_is_ahead_causes_no_negative_delay(smtp: MailServer) -> None:
    event = order_event()
    event["time"] = (timezone.now() + timedelta(seconds=40)).isoformat()
    with counted("order_mail_delay_seconds_sum") as seconds:
        domain.notify(event, TRACE_ID)
    assert seconds() == 0


def test_the_same_event_sends_one_mail(smtp: MailServer) -> None:
    event = order_event()
    assert domain.notify(event, TRACE_ID) is True
    assert domain.notify(event, TRACE_ID) is False
    assert len(smtp.mails) == 1
    assert Notification.objects.count() == 1


def test_an_event_that_was_mailed_needs_no_mail_server(smtp: MailServer, settings: Any) -> None:
    event = order_event()
    domain.notify(event, TRACE_ID)
    settings.EMAIL_PORT = 9
    assert domain.notify(event, TRACE_ID) is False


def test_two_events_of_one_order_send_two_mails(smtp: MailServer) -> None:
    first = order_event()
    second = order_event(ORDER_CANCELLED, order_id=first["data"]["order_id"])
    for event in (first, second):
        domain.notify(event, TRACE_ID)
    assert [mail["Message-ID"] for mail in smtp.mails] == [f"<{event['id']}@shop.example>" for event in (first, second)]


@pytest.mark.parametrize(
    "name",
    ["Zoë Łukasz 王", "line\nbreak\r\nBcc: eve@example.com", "nul\x00", "\ud800 alone", "", "\x1b[31mred", "x" * 150],
)
def test_any_name_makes_a_valid_mail(smtp: MailServer, name: str) -> None:
    domain.notify(order_event(customer=customer(name=name)), TRACE_ID)
    (mail,) = smtp.mails
    assert mail["Bcc"] is None
    assert mail["To"] == "ann@example.com"
    first_line = text_of(smtp).splitlines()[0]
    assert first_line.startswith("Dear ")
    assert first_line.endswith(",")


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\n",
        "ann@@example.com",
        "a,b@example.com",
        "ann@example",
        "ann@exam\x00ple.com",
        "@x.de",
        "ä@\ud800.de",
    ],
)
def test_an_impossible_address_is_refused_before_anything_is_sent(smtp: MailServer, address: str) -> None:
    event = order_event()
    event["data"]["customer"]["email"] = address
    with pytest.raises(MailRefused) as refused:
        domain.notify(event, TRACE_ID)
    assert refused.value.reason == "invalid_recipient"
    assert (smtp.mails, Notification.objects.count()) == ([], 0)


class TestServer:
    """Responses of the mail server."""

    @pytest.mark.parametrize(
        ("setting", "answer", "reason"),
        [
            ("recipient_answer", "550 no such user", "recipient_refused"),
            ("recipient_answer", "553 name not allowed", "recipient_refused"),
            ("data_answer", "554 spam", "message_refused"),
            ("data_answer", "552 too large", "message_refused"),
        ],
    )
    def test_a_permanent_refusal_is_final(self, smtp: MailServer, setting: str, answer: str, reason: str) -> None:
        setattr(smtp, setting, answer)
        with pytest.raises(MailRefused) as refused:
            domain.notify(order_event(), TRACE_ID)
        assert refused.value.reason == reason
        assert not Notification.objects.exists()

    @pytest.mark.parametrize(
        ("setting", "answer"),
        [
            ("recipient_answer", "450 greylisted, come again"),
            ("recipient_answer", "421 too busy"),
            ("data_answer", "451 local error"),
            ("break_off_after_data", 1),
        ],
    )
    def test_a_temporary_refusal_is_retried(self, smtp: MailServer, setting: str, answer: Any) -> None:
        event = order_event()
        before = getattr(smtp, setting)
        setattr(smtp, setting, answer)
        with pytest.raises(MailUnavailable):
            domain.notify(event, TRACE_ID)
        assert not Notification.objects.exists()
        setattr(smtp, setting, before)
        assert domain.notify(event, TRACE_ID) is True
        assert len({mail["Message-ID"] for mail in smtp.mails}) == 1, "a doubled mail must be recognisable"

    def test_a_server_that_is_down_is_retried(self, settings: Any, smtp: MailServer) -> None:
        settings.EMAIL_PORT = 9
        with pytest.raises(MailUnavailable):
            domain.notify(order_event(), TRACE_ID)
        assert not Notification.objects.exists()

    def test_a_server_that_hangs_is_abandoned_after_the_timeout(self, settings: Any, smtp: MailServer) -> None:
        assert settings.EMAIL_TIMEOUT == 10
        settings.EMAIL_TIMEOUT = 0.3
        smtp.answer_mails.clear()
        started = time.monotonic()
        with pytest.raises(MailUnavailable):
            domain.notify(order_event(), TRACE_ID)
        assert time.monotonic() - started < 2
        assert not Notification.objects.exists()

    def test_a_server_that_does_not_answer_quit_has_accepted_the_mail(self, smtp: MailServer) -> None:
        smtp.say_goodbye = False
        assert domain.notify(order_event(), TRACE_ID) is True
        assert Notification.objects.count() == 1

    def test_the_database_fails_before_the_mail_is_sent(self, smtp: MailServer) -> None:
        with pytest.raises(DatabaseError):
            domain.notify(order_event(), "no trace id, which the table refuses")
        assert smtp.mails == []


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """The same event at two consumers."""

    def test_the_second_waits_for_the_first_and_sends_nothing(self, smtp: MailServer) -> None:
        event = order_event()
        smtp.answer_mails.clear()

        def notify() -> bool:
            try:
                return domain.notify(event, TRACE_ID)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(notify)
            eventually(lambda: smtp.mails, "the first mail to be at the server")
            second = pool.submit(notify)
            eventually(_a_session_waits_for_a_lock, "the second consumer to wait")
            smtp.answer_mails.set()
            assert (first.result(), second.result()) == (True, False)
        assert len(smtp.mails) == 1

    def test_the_second_sends_when_the_first_fails(self, smtp: MailServer) -> None:
        event = order_event()
        smtp.answer_mails.clear()
        smtp.break_off_after_data = 1
        outcomes: list[Any] = []

        def notify() -> None:
            try:
                outcomes.append(domain.notify(event, TRACE_ID))
            except MailUnavailable:
                outcomes.append("unavailable")
            finally:
                connection.close()

        first, second = threading.Thread(target=notify), threading.Thread(target=notify)
        first.start()
        eventually(lambda: smtp.mails, "the first mail to be at the server")
        second.start()
        eventually(_a_session_waits_for_a_lock, "the second consumer to wait")
        smtp.answer_mails.set()
        first.join()
        second.join()
        assert outcomes == ["unavailable", True]
        assert Notification.objects.count() == 1


def _a_session_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return cursor.fetchone() is not None


def test_the_file_backend_writes_a_readable_mail(settings: Any, tmp_path: Path) -> None:
    from config.environment import mail_settings

    for name, value in mail_settings(f"file://{tmp_path}/mail").items():
        setattr(settings, name, value)
    event = order_event()
    domain.notify(event, TRACE_ID)
    (file,) = (tmp_path / "mail").iterdir()
    written = file.read_text()
    for expected in (f"X-Order-ID: {event['data']['order_id']}", f"X-Trace-ID: {TRACE_ID}", "To: ann@example.com"):
        assert expected in written
