"""SIGTERM with requests in flight: each one gets its response."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
import requests
from platform_testing.polling import eventually
from platformctl.app import Platform
from platformctl.run.environment import HOST
from platformctl.run.runner import Runner

from tests.support.databases import as_administrator
from tests.support.expect import expect
from tests.support.shop import Shop, show

IN_FLIGHT = 6
# Long enough for the signal to arrive during the call, shorter than the callers' own timeouts.
EXTRA_LATENCY_MS = 1500


@pytest.fixture(autouse=True)
def slow_card_provider(platform: Platform) -> Iterator[None]:
    """Makes each charge take longer."""
    address = f"http://{HOST}:{platform.settings.port('card-provider')}/admin/behaviour"
    before = requests.get(address, timeout=5).json()
    requests.put(address, json={**before, "extra_latency_ms": EXTRA_LATENCY_MS}, timeout=5).raise_for_status()
    yield
    requests.put(address, json=before, timeout=5).raise_for_status()


def count(platform: Platform, database: str, query: str, ids: list[uuid.UUID]) -> int:
    """The count that a query returns for these ids."""
    with as_administrator(platform, database) as connection:
        row = connection.execute(query, [ids]).fetchone()
    return int(row[0]) if row else 0


def terminate_in_the_middle(
    runner: Runner,
    process: str,
    calls: list[Callable[[], requests.Response]],
    in_work: Callable[[], int],
) -> list[requests.Response]:
    """Make all calls at once, SIGTERM the process as soon as all are in progress, and return the responses."""
    pid = runner.pid(process)
    where = f"make logs s={process}"
    with ThreadPoolExecutor(len(calls)) as pool:
        answers: list[Future[requests.Response]] = [pool.submit(call) for call in calls]
        eventually(
            in_work,
            f"{len(calls)} requests in work",
            accept=lambda now: now == len(calls),
            look_at=where,
            longest_pause=0.02,
        )
        runner.signal(process, signal.SIGTERM)
        answered = [answer.result() for answer in answers if answer.done()]
        expect(not answered, "no request answered before the signal", list(map(show, answered)), where)
        responses = [answer.result() for answer in answers]
    eventually(
        lambda: runner.status(process),
        f"{process} back with another pid",
        accept=lambda status: status.pid not in (0, pid) and status.health == "ready",
        look_at=where,
        timeout=60,
    )
    return responses


def test_orders_in_flight_are_answered_when_orders_is_terminated(
    platform: Platform, runner: Runner, shop: Shop
) -> None:
    customers = [shop.new_customer() for _ in range(IN_FLIGHT)]
    items = shop.items()
    pending = "SELECT count(*) FROM ordering_order WHERE user_id = ANY(%s) AND status = 'pending'"
    ids = [uuid.UUID(customer.id) for customer in customers]
    responses = terminate_in_the_middle(
        runner,
        "orders",
        [partial(customer.try_to_order, items) for customer in customers],
        lambda: count(platform, "orders", pending, ids),
    )
    wrong = [show(response) for response in responses if response.status_code != 201]
    expect(not wrong, f"{IN_FLIGHT} orders answered 201", wrong, "make logs s=orders")
    for customer, response in zip(customers, responses, strict=True):
        kept = customer.look_at_order(response.json()["id"])
        expect(kept.json()["status"] == "confirmed", "a confirmed order", show(kept), "make logs s=orders")


def test_charges_in_flight_are_answered_when_payments_is_terminated(
    platform: Platform, runner: Runner, shop: Shop
) -> None:
    orders = [uuid.uuid4() for _ in range(IN_FLIGHT)]
    token = platform.environment.service_token("orders")

    def charge(order_id: uuid.UUID) -> requests.Response:
        return requests.post(
            f"{shop.urls.payments}/internal/v1/charges",
            json={"order_id": str(order_id), "amount": "1.00", "currency": "EUR", "payment_token": "tok_ok"},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(order_id)},
            timeout=15,
        )

    pending = "SELECT count(*) FROM charging_charge WHERE order_id = ANY(%s) AND status = 'pending'"
    responses = terminate_in_the_middle(
        runner,
        "payments",
        [partial(charge, order_id) for order_id in orders],
        lambda: count(platform, "payments", pending, orders),
    )
    wrong = [show(response) for response in responses if response.status_code != 201]
    expect(not wrong, f"{IN_FLIGHT} charges answered 201", wrong, "make logs s=payments")
