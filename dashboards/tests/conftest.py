"""The running platform, for live tests, and the failures that it needs before every panel has data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from backends import Backends
from contracts.events import ORDER_CONFIRMED
from platform_testing.polling import eventually
from platformctl.app import Platform
from platformctl.run.broker import ADMIN
from platformctl.run.environment import HOST, VIRTUAL_HOST

from load import marks
from load.drills.journal import Journal
from tests.support.expect import expect
from tests.support.rabbitmq import RabbitMq
from tests.support.shop import Customer, Shop, Urls

TIMEOUT_SECONDS = 10.0


@pytest.fixture(scope="session")
def platform() -> Platform:
    """The running platform. Fails if there is none: a live test that is skipped proves nothing."""
    here = Platform()
    if not here.runner.is_up():
        pytest.fail("expected the platform to run; start it by `make up`")
    return here


@pytest.fixture(scope="session")
def backends(platform: Platform) -> Backends:
    return Backends(platform.url("PROMETHEUS_PORT"), platform.url("ELASTICSEARCH_PORT"))


@pytest.fixture(scope="session")
def faults(platform: Platform) -> None:
    """Cause the failures that error panels show: bad input, declined cards, a failing provider, a poison message.

    The provider fails for one order only, and the poison message is removed from the dead letters again. Fails while a
    drill is running: each would distort the other's metrics.
    """
    broken = Journal(platform.paths.run / "drills.json").entries()
    if broken:
        pytest.fail(f"a drill is running ({broken}): wait for its end, or let `make drills` restore the platform")
    shop = Shop(Urls.of(platform.settings))
    customer = shop.new_customer()
    for card in ("tok_declined", "tok_insufficient_funds"):
        _order(customer, shop.items(), card, requests.codes.payment_required)
    _order(customer, [{"product_id": "none", "quantity": -1}], "tok_ok", requests.codes.bad_request)
    with _failing_provider(f"http://{HOST}:{platform.settings.port('card-provider')}"):
        _order(customer, shop.items(), "tok_ok", requests.codes.service_unavailable)
    _read_the_documentation(shop.urls)
    _poison(platform)
    marks.put("dashboard tests: started", kind="note", elasticsearch_url=platform.url("ELASTICSEARCH_PORT"))


def _order(customer: Customer, items: list[dict[str, Any]], card: str, status: int) -> None:
    """Place orders until one is answered with `status`: after other suites the platform may still be recovering."""
    eventually(
        lambda: customer.try_to_order(items, card=card).status_code,
        f"an order with {card} answered {status}",
        accept=lambda actual: actual == status,
        look_at=f"{customer.urls.orders}/api/docs/",
        timeout=30,
    )


@contextmanager
def _failing_provider(url: str) -> Iterator[None]:
    """Make the simulated card provider answer every charge with an error."""
    behaviour = f"{url}/admin/behaviour"
    before = requests.get(behaviour, timeout=TIMEOUT_SECONDS).json()
    expect(before["error_ratio"] == 0, "a healthy card provider", before, behaviour)
    requests.put(behaviour, json={**before, "error_ratio": 1.0}, timeout=TIMEOUT_SECONDS).raise_for_status()
    try:
        yield
    finally:
        requests.put(behaviour, json=before, timeout=TIMEOUT_SECONDS).raise_for_status()


def _read_the_documentation(urls: Urls) -> None:
    """Request the only pages rendered by a template, and the schema twice, so that the second one is a cache hit."""
    for url in (urls.users, urls.inventory, urls.orders, urls.payments, urls.notifications):
        for path in ("/api/docs/", "/api/schema/", "/api/schema/"):
            requests.get(f"{url}{path}", timeout=TIMEOUT_SECONDS).raise_for_status()


def _poison(platform: Platform) -> None:
    """Publish an invalid event, and remove it once it is dead-lettered."""
    password = platform.secrets.get(f"rabbitmq_{ADMIN}")
    amqp_url = platform.environment.rabbitmq_url(ADMIN)
    rabbitmq = RabbitMq(platform.url("RABBITMQ_MANAGEMENT_PORT"), ADMIN, password, VIRTUAL_HOST, amqp_url)
    message_id = str(uuid.uuid4())
    rabbitmq.publish("events", ORDER_CONFIRMED, b"{}", message_id=message_id)
    dead = "notifications.orders.dead"
    eventually(
        lambda: {message.message_id for message in rabbitmq.messages(dead)},
        f"message {message_id} in {dead}",
        accept=lambda found: message_id in found,
        look_at=rabbitmq.queue_url(dead),
    )
    rabbitmq.remove(dead, message_id)
