"""What the tests share: events, the broker, people with tokens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.events import ORDER_CONFIRMED, new_event
from contracts.testing.broker import Broker
from contracts.testing.tokens import access_token
from django.test import Client
from newapp.consumer import QUEUE


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """The run's broker, with the consumer's queue empty."""
    broker = Broker(broker_url)
    broker.prepare(QUEUE)
    yield broker
    broker.close()


def order_event() -> dict[str, Any]:
    """An event about a confirmed order."""
    order_id = str(uuid.uuid4())
    item = {"product_id": str(uuid.uuid4()), "sku": "MUG-1", "name": "Blue mug", "quantity": 2, "unit_price": "9.95"}
    data = {
        "order_id": order_id,
        "customer": {"id": str(uuid.uuid4()), "email": "ann@example.com", "name": "Ann Example"},
        "items": [item],
        "total": {"amount": "19.90", "currency": "EUR"},
        "placed_at": "2026-01-02T03:04:05.678+00:00",
    }
    return new_event(ORDER_CONFIRMED, service="orders", subject=order_id, data=data)


def person(user_id: Any) -> Client:
    """An HTTP client with a person's token."""
    return Client(headers={"Authorization": f"Bearer {access_token(str(user_id))}"})
