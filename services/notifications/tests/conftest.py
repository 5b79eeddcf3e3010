"""Fixtures: events, a mail server, the broker, users with tokens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.events import ORDER_CANCELLED, ORDER_CONFIRMED, new_event
from contracts.testing.broker import Broker
from contracts.testing.tokens import access_token
from django.test import Client
from mailing.consumer import QUEUE
from mailing.models import Kind, Notification

from tests.smtp import MailServer, mail_server, settings_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def smtp(settings: Any) -> Iterator[MailServer]:
    """A real SMTP server, which this service uses."""
    with mail_server() as server:
        for name, value in settings_of(server).items():
            setattr(settings, name, value)
        yield server


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """The test run's broker, with the consumer's queue empty."""
    broker = Broker(broker_url)
    broker.prepare(QUEUE)
    yield broker
    broker.close()


def order_event(event_type: str = ORDER_CONFIRMED, **changes: Any) -> dict[str, Any]:
    """Build an event about an order; `changes` replace members of its data."""
    order_id = str(uuid.uuid4())
    item = {"product_id": str(uuid.uuid4()), "sku": "MUG-1", "name": "Blue mug", "quantity": 2, "unit_price": "9.95"}
    data: dict[str, Any] = {
        "order_id": order_id,
        "customer": {"id": str(uuid.uuid4()), "email": "ann@example.com", "name": "Ann Example"},
        "items": [item],
        "total": {"amount": "19.90", "currency": "EUR"},
        "placed_at": "2026-01-02T03:04:05.678+00:00",
    }
    if event_type == ORDER_CANCELLED:
        data |= {"reason": "insufficient_funds", "charge_attempted": True}
    return new_event(event_type, service="orders", subject=order_id, data={**data, **changes})


def customer(**changes: Any) -> dict[str, Any]:
    """Build the customer of an event."""
    return {"id": str(uuid.uuid4()), "email": "ann@example.com", "name": "Ann Example", **changes}


def person(user_id: Any) -> Client:
    """An HTTP client with a user's token."""
    return Client(headers={"Authorization": f"Bearer {access_token(str(user_id))}"})


def kept(user_id: Any, **changes: Any) -> Notification:
    """Create the row of a sent mail."""
    from django.utils import timezone

    row = {
        "event_id": uuid.uuid4(),
        "order_id": uuid.uuid4(),
        "user_id": user_id,
        "kind": Kind.ORDER_CONFIRMED,
        "recipient": "ann@example.com",
        "subject": "Your order",
        "sent_at": timezone.now(),
        "trace_id": TRACE_ID,
    }
    return Notification.objects.create(**{**row, **changes})
