"""The service's environment in tests: its dependencies as real stub servers, and a client with an access token."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from contracts.testing.tokens import access_token
from django.test import Client
from ordering.clients import clients
from ordering.models import Order, OutboxEvent
from ordering.timing import Timing

from tests.stubs import InventoryStub, PaymentsStub, UsersStub

_keys = itertools.count()


@dataclass
class World:
    """The dependencies, and what they received."""

    settings: Any
    users: UsersStub = field(default_factory=UsersStub)
    payments: PaymentsStub = field(default_factory=PaymentsStub)
    inventory: InventoryStub = field(default_factory=InventoryStub)

    def use(self, **timing: float) -> None:
        """Point the service's clients at these servers, with production's time limits except those given."""
        self.settings.USERS_URL = self.users.url
        self.settings.PAYMENTS_URL = self.payments.url
        self.settings.INVENTORY_GRPC_TARGET = self.inventory.target
        self.settings.TIMING = Timing(**timing)  # type: ignore[arg-type]
        clients.cache_clear()

    def captured(self) -> int:
        """Return the captured charges."""
        return len(self.payments.charges)

    def stop(self) -> None:
        for stub in (self.users, self.payments, self.inventory):
            stub.stop()


@pytest.fixture
def world(settings: Any) -> Iterator[World]:
    """Healthy dependencies, and a service that calls them."""
    world = World(settings)
    world.use()
    yield world
    world.stop()
    clients.cache_clear()


class Shopper:
    """A client with an access token."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.id = uuid.uuid4()
        self.client = Client(headers={"authorization": f"Bearer {access_token(str(self.id))}"})

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return a valid order body: two pieces of a product in stock."""
        product_id = self.world.inventory.add_product()
        return {"items": [{"product_id": product_id, "quantity": 2}], "payment_token": "tok_ok", **changes}

    def order(self, body: Any = None, key: str | None = None, **headers: str) -> Any:
        """POST an order, with a new key unless one is given."""
        return self.client.post(
            "/api/v1/orders",
            self.body() if body is None else body,
            content_type="application/json",
            headers={"idempotency-key": key or f"key-{next(_keys)}", **headers},
        )

    def get(self, path: str = "/api/v1/orders") -> Any:
        return self.client.get(path)


@pytest.fixture
def shopper(world: World) -> Shopper:
    """A client that orders."""
    return Shopper(world)


@pytest.fixture
def stranger(world: World) -> Shopper:
    """A second client, of another user."""
    return Shopper(world)


def the_order() -> Order:
    """Return the only order."""
    return Order.objects.get()


def the_event() -> OutboxEvent:
    """Return the only event in the outbox."""
    return OutboxEvent.objects.get()
