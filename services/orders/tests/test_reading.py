"""Reading orders: only the caller's own."""

from __future__ import annotations

import uuid

import pytest
from contracts.testing.bodies import assert_problem

from tests.conftest import Shopper, World

pytestmark = pytest.mark.django_db


def test_a_user_lists_their_orders_newest_first_in_pages(shopper: Shopper, stranger: Shopper) -> None:
    placed = [shopper.order().json() for _ in range(5)]
    stranger.order()
    first = shopper.get("/api/v1/orders?page_size=3").json()
    assert first["results"] == placed[:1:-1]
    assert first["previous"] is None
    second = shopper.get(first["next"]).json()
    assert second["results"] == placed[1::-1]
    assert second["next"] is None


def test_a_user_without_orders_gets_an_empty_page(shopper: Shopper) -> None:
    assert shopper.get().json() == {"results": [], "next": None, "previous": None}


def test_a_cancelled_order_shows_the_reason(shopper: Shopper) -> None:
    declined = shopper.order(shopper.body(payment_token="tok_declined")).json()
    order = shopper.get(f"/api/v1/orders/{declined['order_id']}").json()
    assert (order["status"], order["reason"]) == ("cancelled", "payment_declined")
    assert order["total"] == {"amount": "39.80", "currency": "EUR"}


def test_an_order_that_never_reserved_stock_has_no_prices(shopper: Shopper, world: World) -> None:
    world.users.stop()
    shopper.order()
    [order] = shopper.get().json()["results"]
    assert (order["reason"], order["total"]) == ("users_unavailable", None)
    assert [item["unit_price"] for item in order["items"]] == [None]


def test_an_order_of_another_user_is_not_found(shopper: Shopper, stranger: Shopper) -> None:
    order_id = shopper.order().json()["id"]
    assert_problem(stranger.get(f"/api/v1/orders/{order_id}"), 404, "not_found")


@pytest.mark.parametrize("path", [uuid.uuid4(), "not-a-uuid", "1", "%00"])
def test_an_unknown_order_is_not_found(path: str, shopper: Shopper) -> None:
    assert_problem(shopper.get(f"/api/v1/orders/{path}"), 404, "not_found")


@pytest.mark.parametrize("cursor", ["x", "cD0yMDI2", "cD0lMDA=", "///"])
def test_a_forged_cursor_is_refused(cursor: str, shopper: Shopper) -> None:
    shopper.order()
    response = shopper.get(f"/api/v1/orders?cursor={cursor}")
    assert_problem(response, response.status_code)
    assert response.status_code in (400, 404)
