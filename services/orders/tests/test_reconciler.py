"""The reconciler completes what a killed process left behind."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from typing import Any

import grpc
import pytest
from contracts import events
from django.utils import timezone
from django_telemetry.metrics import registry
from ordering import reconciler
from ordering.models import IdempotencyKey, KeyState, Order, OrderItem, OrderStatus, OutboxEvent, Reason
from ordering.reconciler import Reconciler
from ordering.timing import Timing

from tests.conftest import Shopper, World, the_event, the_order

pytestmark = pytest.mark.django_db

TIMING = Timing()
CARRIER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-request-id": "placing"}


def pending(age: float = 61.0, **values: Any) -> Order:
    """Create a pending order of that age (seconds)."""
    known = {"customer_email": "ada@example.com", "customer_name": "Ada", "carrier": CARRIER}
    order = Order.objects.create(
        user_id=uuid.uuid4(), created_at=timezone.now() - timedelta(seconds=age), **{**known, **values}
    )
    OrderItem.objects.create(order=order, product_id=uuid.uuid4(), quantity=1)
    IdempotencyKey.objects.create(user_id=order.user_id, key="k", fingerprint="f", order=order)
    return order


@pytest.mark.parametrize("charge_attempted", [False, True])
def test_an_interrupted_order_is_cancelled_and_undone(charge_attempted: bool, world: World) -> None:
    before = registry.get_sample_value("orders_failed_total", {"reason": "interrupted"}) or 0.0
    order = pending(charge_attempted=charge_attempted)
    Reconciler(TIMING, threading.Event()).round()
    order.refresh_from_db()
    assert (order.status, order.reason) == (OrderStatus.CANCELLED, Reason.INTERRUPTED)
    event = events.decode(events.encode(the_event().body))
    assert (event["type"], event["data"]["reason"]) == (events.ORDER_CANCELLED, "interrupted")
    assert event["data"]["charge_attempted"] is charge_attempted
    assert world.inventory.calls == [("Release", str(order.id))]
    assert not order.stock_release_pending
    assert IdempotencyKey.objects.get().state == KeyState.RETRYABLE
    assert registry.get_sample_value("orders_failed_total", {"reason": "interrupted"}) == before + 1


def test_its_event_belongs_to_the_trace_that_placed_the_order() -> None:
    pending()
    reconciler.cancel_interrupted(TIMING.stuck_after)
    assert the_event().carrier == CARRIER


def test_releasing_stock_belongs_to_that_trace_too(world: World) -> None:
    pending()
    Reconciler(TIMING, threading.Event()).round()
    [metadata] = world.inventory.metadata
    assert metadata["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert metadata["x-request-id"] == "placing"


def test_an_order_in_progress_is_left_alone(world: World) -> None:
    order = pending(age=50.0)
    Reconciler(TIMING, threading.Event()).round()
    order.refresh_from_db()
    assert order.status == OrderStatus.PENDING
    assert (world.inventory.calls, OutboxEvent.objects.count()) == ([], 0)


def test_an_order_whose_customer_was_never_stored_is_cancelled_without_event(world: World) -> None:
    order = pending(customer_email="", customer_name="")
    Reconciler(TIMING, threading.Event()).round()
    order.refresh_from_db()
    assert (order.status, order.stock_release_pending) == (OrderStatus.CANCELLED, False)
    assert not OutboxEvent.objects.exists(), "no customer is known who could be notified"
    assert world.inventory.calls == [], "stock is asked for only after users has answered"


def test_finished_orders_are_left_alone(shopper: Shopper, world: World) -> None:
    shopper.order()
    Order.objects.update(created_at=timezone.now() - timedelta(days=1))
    Reconciler(TIMING, threading.Event()).round()
    assert the_order().status == OrderStatus.CONFIRMED
    assert world.inventory.called("Release") == 0


def test_an_order_that_cannot_be_handled_does_not_delay_the_others(world: World) -> None:
    broken = pending(age=100.0, customer_email="not an address")
    order = pending()
    Reconciler(TIMING, threading.Event()).round()
    order.refresh_from_db()
    broken.refresh_from_db()
    assert (broken.status, order.status) == (OrderStatus.PENDING, OrderStatus.CANCELLED)


def cancelled(**values: Any) -> Order:
    return pending(status=OrderStatus.CANCELLED, reason=Reason.INTERRUPTED, stock_release_pending=True, **values)


def test_the_release_of_stock_is_retried_until_it_succeeds(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    orders = [cancelled(), cancelled()]
    world.inventory.arrange("Release", grpc.StatusCode.UNAVAILABLE, times=4)
    rounds = Reconciler(TIMING, threading.Event())
    rounds.round()
    assert world.inventory.called("Release") == 2, "one call and its retry: for the second order it would be the same"
    rounds.round()
    rounds.round()
    assert {order_id for _, order_id in world.inventory.calls[-2:]} == {str(order.id) for order in orders}
    assert not Order.objects.filter(stock_release_pending=True).exists()
    said = [record.message for record in caplog.records if record.name == "ordering.health"]
    assert said == ["inventory is not available; trying again until it is", "inventory is back"], "once each"


def test_an_order_that_inventory_refuses_does_not_delay_the_others(world: World) -> None:
    cancelled()
    cancelled()
    world.inventory.arrange("Release", grpc.StatusCode.INVALID_ARGUMENT)
    Reconciler(TIMING, threading.Event()).round()
    assert Order.objects.filter(stock_release_pending=True).count() == 1


def event(**values: Any) -> OutboxEvent:
    return OutboxEvent.objects.create(id=uuid.uuid4(), type=events.ORDER_CONFIRMED, body={}, **values)


def test_the_backlog_is_measured() -> None:
    reconciler.measure_outbox()
    assert registry.get_sample_value("outbox_unpublished") == 0
    assert registry.get_sample_value("outbox_oldest_age_seconds") == 0
    event(created_at=timezone.now() - timedelta(seconds=30))
    event()
    event(created_at=timezone.now() - timedelta(days=1), published_at=timezone.now())
    reconciler.measure_outbox()
    assert registry.get_sample_value("outbox_unpublished") == 2
    assert registry.get_sample_value("outbox_oldest_age_seconds") == pytest.approx(30, abs=5)


def test_only_old_rows_are_pruned() -> None:
    now = timezone.now()
    event(published_at=now - timedelta(days=8))
    kept = {
        event(published_at=now - timedelta(days=6)).pk,
        event(created_at=now - timedelta(days=30)).pk,  # never published: must not be lost
    }
    old, working, fresh = pending(), pending(), pending()
    IdempotencyKey.objects.filter(order=old).update(state=KeyState.RETRYABLE, created_at=now - timedelta(days=8))
    IdempotencyKey.objects.filter(order=working).update(created_at=now - timedelta(days=8))
    IdempotencyKey.objects.filter(order=fresh).update(state=KeyState.RETRYABLE)
    reconciler.prune(TIMING.keep_published, TIMING.keep_answers)
    assert set(OutboxEvent.objects.values_list("pk", flat=True)) == kept
    assert set(IdempotencyKey.objects.values_list("order", flat=True)) == {working.pk, fresh.pk}
    assert Order.objects.count() == 3, "orders are kept for good"
