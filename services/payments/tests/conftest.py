"""Fixtures: a card provider over real HTTP, callers with tokens, and valid requests."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from card_provider.behaviour import Behaviour, Control
from card_provider.ledger import Ledger
from card_provider.server import CardProvider as Simulator
from charging import clients
from charging.consumer import QUEUE
from contracts.testing.broker import Broker
from contracts.testing.plugin import SERVICE_TOKENS
from django.test import Client
from platform_testing.http import StubServer
from werkzeug import Response

AT_ONCE = Behaviour(median_ms=0, p99_ms=0)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The real simulator, without latency; `simulator.control.behaviour` makes it slow or faulty."""
    server = Simulator("127.0.0.1", 0, Control(AT_ONCE, seed=1), Ledger())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()


@pytest.fixture
def provider_at(settings: Any) -> Iterator[Callable[[str], clients.CardProvider]]:
    """Points the service at a card provider by its address; returns the client."""

    def use(address: str) -> clients.CardProvider:
        settings.CARD_PROVIDER_URL = address
        clients.card_provider.cache_clear()
        return clients.card_provider()

    yield use
    clients.card_provider.cache_clear()


@pytest.fixture
def provider(simulator: Simulator, provider_at: Callable[[str], clients.CardProvider]) -> clients.CardProvider:
    """The simulator's client, which the views use too."""
    return provider_at(url_of(simulator))


@pytest.fixture
def api(provider: clients.CardProvider) -> Client:
    """An HTTP client with the token of orders."""
    return Client(headers={"Authorization": f"Bearer {SERVICE_TOKENS['orders']}"})


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Starts a server that gives every request the same response; returns its address."""
    with ExitStack() as started:

        def start(status: int, content: bytes) -> str:
            return started.enter_context(StubServer(lambda _: Response(content, status))).url

        yield start


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """The test run's broker, with the consumer's queue empty."""
    broker = Broker(broker_url)
    broker.prepare(QUEUE)
    yield broker
    broker.close()


def url_of(server: Any) -> str:
    """Return the URL of a server that chose its own port."""
    return f"http://127.0.0.1:{server.server_address[1]}"


def body(**changes: Any) -> dict[str, Any]:
    """Return a valid charge body with `changes`; None leaves a member out."""
    right = {"order_id": str(uuid.uuid4()), "amount": "19.90", "currency": "EUR", "payment_token": "tok_ok"}
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def post_charge(client: Client, data: Any, key: str | None = "") -> Any:
    """POST a charge; without `key` the order id is the key, None sends none."""
    if key == "":
        key = str(data["order_id"])
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post("/internal/v1/charges", data, content_type="application/json", headers=headers)


def post_void(client: Client, order_id: Any) -> Any:
    return client.post(f"/internal/v1/charges/{order_id}/void")
