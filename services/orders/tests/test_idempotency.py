"""One key makes one order with one answer."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import grpc
import pytest
from contracts.testing.bodies import assert_problem
from django.db import connection
from django.utils import timezone
from ordering import reconciler
from ordering.models import IdempotencyKey, Order, OrderStatus, OutboxEvent
from ordering.timing import Timing

from tests.conftest import Shopper, World
from tests.stubs import Reset

pytestmark = pytest.mark.django_db


def test_a_repeated_request_gets_the_same_answer(shopper: Shopper, world: World) -> None:
    body = shopper.body()
    first, again = shopper.order(body, "k"), shopper.order(body, "k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Location"] == first["Location"]
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert (Order.objects.count(), OutboxEvent.objects.count(), world.captured()) == (1, 1, 1)


@pytest.mark.parametrize(("token", "code"), [("tok_declined", "card_declined"), ("tok_insufficient_funds", None)])
def test_a_decline_is_repeated_without_charging_the_card_again(
    token: str, code: str | None, shopper: Shopper, world: World
) -> None:
    body = shopper.body(payment_token=token)
    first, again = shopper.order(body, "k"), shopper.order(body, "k")
    assert_problem(first, 402, code)
    problem = assert_problem(again, 402, code)
    own = {"trace_id": problem["trace_id"], "request_id": again["X-Request-ID"]}
    assert problem == first.json() | own, "the ids are the request's own, the rest is repeated"
    assert again["Idempotent-Replayed"] == "true"
    assert len(world.payments.requests) == 1


def test_out_of_stock_is_repeated_even_when_stock_is_available_again(shopper: Shopper, world: World) -> None:
    product_id = world.inventory.add_product(stock=1)
    body = shopper.body(items=[{"product_id": product_id, "quantity": 2}])
    assert_problem(shopper.order(body, "k"), 409, "out_of_stock")
    world.inventory.products[product_id].stock = 10
    again = shopper.order(body, "k")
    assert assert_problem(again, 409, "out_of_stock")["product_ids"] == [product_id]
    assert again["Idempotent-Replayed"] == "true"
    assert shopper.order(body, "another key").status_code == 201


@pytest.mark.parametrize("first_status", [201, 402, 503])
def test_a_key_with_another_body_is_refused(first_status: int, shopper: Shopper, world: World) -> None:
    body = shopper.body(payment_token="tok_declined" if first_status == 402 else "tok_ok")
    if first_status == 503:
        world.payments.arrange((503, {}))
    assert shopper.order(body, "k").status_code == first_status
    other = {**body, "items": [{**body["items"][0], "quantity": 3}]}
    assert_problem(shopper.order(other, "k"), 422, "idempotency_key_reused")
    assert_problem(shopper.order({**body, "payment_token": "tok_other"}, "k"), 422, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_an_equivalent_body_counts_as_the_same(shopper: Shopper) -> None:
    body = shopper.body()
    first = shopper.order(body, "k")
    spelled = {
        "payment_token": body["payment_token"],
        "items": [{"quantity": 2, "product_id": body["items"][0]["product_id"].upper()}],
    }
    assert shopper.order(spelled, "k").content == first.content


def test_the_same_key_of_another_user_is_a_different_key(shopper: Shopper, stranger: Shopper) -> None:
    body = shopper.body()
    assert shopper.order(body, "k").json()["id"] != stranger.order(body, "k").json()["id"]


@pytest.mark.parametrize(
    "fail",
    [
        lambda world: world.users.arrange((503, {}), times=2),
        lambda world: world.inventory.arrange("Reserve", grpc.StatusCode.UNAVAILABLE, times=2),
        lambda world: world.payments.arrange((503, {})),
        lambda world: world.payments.arrange(Reset, times=2, effect=True),
        lambda world: world.inventory.arrange("Commit", grpc.StatusCode.UNAVAILABLE, times=2),
    ],
    ids=["users", "reserve", "charge", "charge captured", "commit"],
)
def test_after_a_503_the_same_request_places_the_order(fail: Any, shopper: Shopper, world: World) -> None:
    fail(world)
    body = shopper.body()
    assert_problem(shopper.order(body, "k"), 503)
    again = shopper.order(body, "k")
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again
    assert shopper.order(body, "k").content == again.content
    assert Order.objects.filter(status=OrderStatus.CONFIRMED).count() == 1
    # A charge of the first attempt belongs to another order: that one is cancelled, and payments voids it on its event.
    void = {event.body["subject"] for event in OutboxEvent.objects.all() if event.body["data"].get("charge_attempted")}
    assert {order_id for order_id in world.payments.charges if order_id not in void} == {again.json()["id"]}


def test_a_key_whose_request_was_refused_can_be_used_for_a_valid_one(shopper: Shopper) -> None:
    assert_problem(shopper.order(shopper.body(items=[]), "k"), 400, "invalid")
    assert shopper.order(key="k").status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("retried", [False, True], ids=["at first", "after a 503"])
def test_eight_concurrent_requests_make_one_order_and_one_charge(retried: bool, shopper: Shopper, world: World) -> None:
    body = shopper.body()
    if retried:
        world.users.arrange((503, {}), times=2)
        assert_problem(shopper.order(body, "k"), 503)
    barrier = threading.Barrier(8)
    answers: list[Any] = []

    def order() -> None:
        barrier.wait()
        try:
            answers.append(shopper.order(body, "k"))
        finally:
            connection.close()

    threads = [threading.Thread(target=order) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}, statuses
    assert statuses[201] >= 1
    for answer in answers:
        if answer.status_code == 409:
            assert_problem(answer, 409, "request_in_progress")
            assert answer["Retry-After"] == "1"
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Order.objects.exclude(status=OrderStatus.CANCELLED).count() == 1
    assert (IdempotencyKey.objects.count(), OutboxEvent.objects.count()) == (1, 1)
    assert (world.captured(), len(world.payments.requests), world.inventory.held()) == (1, 1, 2)


def test_a_key_is_in_progress_until_its_interrupted_order_is_cancelled(shopper: Shopper, world: World) -> None:
    body = shopper.body()

    order = shopper.order(body, "first")
    assert order.status_code == 201
    # What a process leaves behind when it dies while it waits for payments.
    Order.objects.update(status=OrderStatus.PENDING, payment_id="")
    IdempotencyKey.objects.update(state="in_progress", response_status=None, response_body=None)
    answer = shopper.order(body, "first")
    assert_problem(answer, 409, "request_in_progress")
    assert answer["Retry-After"]
    Order.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert reconciler.cancel_interrupted(Timing().stuck_after) == 1
    assert shopper.order(body, "first").status_code == 201


@pytest.mark.parametrize("key", ["k", "k" * 255, " ~!", "ab cd"])
def test_any_printable_key_is_accepted(key: str, shopper: Shopper) -> None:
    assert shopper.order(key=key).status_code == 201


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_missing"),
        ("k" * 256, "idempotency_key_invalid"),
        ("a\tb", "idempotency_key_invalid"),
        ("schlüssel", "idempotency_key_invalid"),
        ("\x7f", "idempotency_key_invalid"),
    ],
)
def test_any_other_key_is_refused(key: str | None, code: str, shopper: Shopper) -> None:
    headers = {} if key is None else {"idempotency-key": key}
    response = shopper.client.post("/api/v1/orders", shopper.body(), content_type="application/json", headers=headers)
    assert_problem(response, 400, code)
    assert not Order.objects.exists()
