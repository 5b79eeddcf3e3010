"""An order whose every step succeeds."""

from __future__ import annotations

import re
from decimal import Decimal

import psycopg
import pytest
from contracts import events
from contracts.inventory.v1 import inventory_pb2
from django.db import connection
from django_telemetry.metrics import registry
from ordering.models import KeyState, OrderStatus

from tests.conftest import Shopper, World, the_event, the_order

pytestmark = pytest.mark.django_db


def test_an_order_is_answered_with_its_items_prices_and_total(shopper: Shopper, world: World) -> None:
    cheap = world.inventory.add_product(sku="CUP", name="Cup", price="4.50")
    dear = world.inventory.add_product(sku="POT", name="Pot", price="30.05")
    response = shopper.order(
        {
            "items": [{"product_id": cheap, "quantity": 3}, {"product_id": dear, "quantity": 1}],
            "payment_token": "tok_ok",
        }
    )
    assert response.status_code == 201, response.content
    body = response.json()
    assert body == {
        "id": str(the_order().id),
        "status": "confirmed",
        "reason": None,
        "items": [
            {
                "product_id": cheap,
                "sku": "CUP",
                "name": "Cup",
                "quantity": 3,
                "unit_price": {"amount": "4.50", "currency": "EUR"},
            },
            {
                "product_id": dear,
                "sku": "POT",
                "name": "Pot",
                "quantity": 1,
                "unit_price": {"amount": "30.05", "currency": "EUR"},
            },
        ],
        "total": {"amount": "43.55", "currency": "EUR"},
        "created_at": body["created_at"],
    }
    assert body["created_at"].endswith("Z"), "times are UTC"
    assert response["Location"] == f"/api/v1/orders/{body['id']}"
    assert "Idempotent-Replayed" not in response
    assert shopper.get(response["Location"]).json() == body


def test_an_order_takes_the_stock_and_charges_its_total_once(shopper: Shopper, world: World) -> None:
    assert shopper.order().status_code == 201
    order = the_order()
    assert order.status == OrderStatus.CONFIRMED
    assert order.total == Decimal("39.80")
    [charge] = world.payments.charges.values()
    assert (charge["order_id"], charge["amount"], charge["currency"]) == (str(order.id), "39.80", "EUR")
    assert order.payment_id == charge["id"]
    assert world.inventory.calls == [("Reserve", str(order.id)), ("Commit", str(order.id))]
    assert world.inventory.reservations[str(order.id)].status == inventory_pb2.RESERVATION_STATUS_COMMITTED
    assert not order.stock_release_pending


def test_the_customer_is_stored_as_users_returned_it(shopper: Shopper) -> None:
    shopper.order()
    order = the_order()
    assert (order.user_id, order.customer_email, order.customer_name) == (shopper.id, "ada@example.com", "Ada")


def test_an_order_leaves_one_valid_event_in_the_outbox(shopper: Shopper) -> None:
    shopper.order()
    order, stored = the_order(), the_event()
    event = events.decode(events.encode(stored.body))
    assert stored.type == events.ORDER_CONFIRMED
    assert event["id"] == str(stored.id)
    assert event["subject"] == event["data"]["order_id"] == str(order.id)
    assert event["data"]["customer"] == {"id": str(shopper.id), "email": "ada@example.com", "name": "Ada"}
    assert event["data"]["total"] == {"amount": "39.80", "currency": "EUR"}
    assert stored.published_at is None


def test_the_event_keeps_the_trace_and_the_request_id_of_its_request(shopper: Shopper) -> None:
    response = shopper.order(**{"x-request-id": "my-request"})
    carrier = the_event().carrier
    assert carrier["x-request-id"] == "my-request"
    trace_id = response["traceresponse"].split("-")[1]
    assert carrier["traceparent"].split("-")[1] == trace_id, "the event has to be published in its request's trace"


def test_every_call_carries_the_service_token_and_the_trace_of_the_request(shopper: Shopper, world: World) -> None:
    response = shopper.order()
    trace_id = response["traceresponse"].split("-")[1]
    headers = [request.headers for request in world.users.requests + world.payments.requests]
    for sent in headers + world.inventory.metadata:
        assert sent["authorization"] == "Bearer test-token-of-orders"
        assert sent["traceparent"].split("-")[1] == trace_id
        assert sent["x-request-id"] == response["X-Request-ID"]
    assert len(headers + world.inventory.metadata) == 4
    assert all(0 < int(request.headers["x-request-deadline-ms"]) <= 2000 for request in world.users.requests)


def test_an_order_is_counted_with_its_value(shopper: Shopper) -> None:
    placed, value = registry.get_sample_value("orders_placed_total"), registry.get_sample_value("order_value_sum")
    assert placed is not None, "has to be there, at 0, before the first order"
    assert value is not None
    shopper.order()
    assert registry.get_sample_value("orders_placed_total") == placed + 1
    assert registry.get_sample_value("order_value_sum") == pytest.approx(value + 39.80)


def test_every_reason_is_exported_as_0_before_it_occurs() -> None:
    for reason in ("payment_declined", "users_unavailable", "interrupted", "unknown_product", "account_inactive"):
        assert registry.get_sample_value("orders_failed_total", {"reason": reason}) is not None, reason


@pytest.mark.parametrize("quantity", [1, 100])
def test_quantities_at_the_limits_are_accepted(shopper: Shopper, quantity: int) -> None:
    body = shopper.body()
    body["items"][0]["quantity"] = quantity
    assert shopper.order(body).status_code == 201


def test_fifty_products_are_accepted(shopper: Shopper, world: World) -> None:
    items = [{"product_id": world.inventory.add_product(), "quantity": 1} for _ in range(50)]
    response = shopper.order(shopper.body(items=items))
    assert response.status_code == 201
    assert [item["product_id"] for item in response.json()["items"]] == [item["product_id"] for item in items]


def test_a_name_that_is_too_long_for_an_event_is_truncated(shopper: Shopper, world: World) -> None:
    world.users.arrange((200, {"id": "x", "email": "a@b.example", "name": "N" * 200, "is_active": True}))
    assert shopper.order().status_code == 201
    assert the_event().body["data"]["customer"]["name"] == "N" * 150


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_another_service_is_called(shopper: Shopper, world: World) -> None:
    seen: list[str] = []

    def look(what: str) -> None:
        # On a separate connection, as another process would.
        params = connection.get_connection_params()
        with psycopg.connect(
            host=params["host"],
            port=params["port"],
            user=params["user"],
            password=params["password"],
            dbname=params["dbname"],
        ) as other:
            rows = other.execute(
                "SELECT state, query FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        seen.extend(f"{state}: {query}" for state, query in rows)

    world.users.before = world.payments.before = world.inventory.before = look
    assert shopper.order().status_code == 201
    assert len(seen) >= 4, "the stubs have to have looked"
    assert not [line for line in seen if re.match("idle in transaction|active", line)]


def test_the_answer_is_stored_under_the_key(shopper: Shopper) -> None:
    shopper.order(key="k")
    key = the_order().idempotency_keys.get()
    assert (key.key, key.state, key.response_status) == ("k", KeyState.ANSWERED, 201)
