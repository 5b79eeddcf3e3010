"""Customers as users returns them: what users accepts is accepted; anything else is an invalid answer, no outage."""

from __future__ import annotations

from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.texts import customers
from django_telemetry.metrics import registry
from hypothesis import given, settings
from ordering import events
from ordering.clients import _customer
from ordering.models import Order, OrderStatus, OutboxEvent, Reason

from tests.conftest import Shopper, World, the_order


@settings(max_examples=500, deadline=None)
@given(customers())
def test_every_customer_that_users_accepts_is_accepted(accepted: dict[str, str]) -> None:
    customer = _customer({"id": "x", "is_active": True, **accepted})
    assert customer.email == accepted["email"]
    assert accepted["name"].startswith(customer.name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [
        (200, {"id": "x", "email": "x@example.com\u2028", "name": "Ada", "is_active": True}),
        (200, {"id": "x", "email": "ADA@example.com", "name": "Ada", "is_active": True}),
        (200, {"id": "x", "email": "x@example.com", "name": "Ada", "is_active": "yes"}),
        (200, {"email": 5}),
        (200, []),
        (200, b"<html>"),
        (204, b""),
        (302, {}),
    ],
    ids=str,
)
def test_an_invalid_answer_of_users_is_reported_as_such(answer: Any, shopper: Shopper, world: World) -> None:
    def counted(reason: str) -> float:
        return registry.get_sample_value("orders_failed_total", {"reason": reason}) or 0.0

    before = counted("users_invalid"), counted("users_unavailable")
    world.users.arrange(answer, times=2)
    problem = assert_problem(shopper.order(), 502, "dependency_invalid")
    assert problem["dependency"] == "users"
    assert "available" not in problem["detail"]
    order = the_order()
    assert (order.status, order.reason) == (OrderStatus.CANCELLED, Reason.USERS_INVALID)
    assert not OutboxEvent.objects.exists()
    assert (counted("users_invalid"), counted("users_unavailable")) == (before[0] + 1, before[1])


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.startswith("users_")])
@pytest.mark.django_db
def test_every_reason_after_the_first_step_has_an_event(reason: Reason) -> None:
    order = Order(user_id="0190d6c8-0000-7000-8000-00000000000c", customer_email="a@example.org", customer_name="A")
    order.status, order.reason = OrderStatus.CANCELLED, reason
    order.save()
    order.items.create(product_id="0190d6c8-0000-7000-8000-00000000000a", quantity=1)
    assert events.cancelled(order)["data"]["reason"] in {reason, reason.replace("_invalid", "_unavailable")}
