"""Order placement: reserve the stock, charge the card, make the reservation final; undo the steps when one fails.

The outcome of each step is committed before the next step begins, and no transaction is open while another service is
called. Every change of an order's status requires that the order is still pending, so that this code and the
reconciler, which cancels orders whose process died, can't both decide.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django_telemetry.deadlines import Deadline, use_deadline
from django_telemetry.edges import DependencyError

from ordering import events, idempotency, outbox
from ordering.clients import (
    Clients,
    Customer,
    Declined,
    InvalidAnswer,
    Lost,
    OutOfStock,
    Reservation,
    UnknownProduct,
    clients,
)
from ordering.failures import FAILURES, INTERRUPTED, Cause, Failure, Step, Stock
from ordering.idempotency import Answer
from ordering.metrics import ACCOUNT_INACTIVE, UNKNOWN_PRODUCT, order_value, orders_failed_total, orders_placed_total
from ordering.models import Order, OrderItem, OrderStatus, Reason
from ordering.placement import Placement

logger = logging.getLogger(__name__)


class NotAnOrder(Exception):
    """The request can't become an order. Nothing is stored, and its key is free again."""


class AccountInactive(NotAnOrder):
    """The account doesn't exist or is disabled."""


class NoSuchProduct(NotAnOrder):
    """A product doesn't exist."""


class OrderFailed(Exception):
    """A step failed, and the order is cancelled. `product_ids`: products without enough stock."""

    def __init__(self, order_id: uuid.UUID, failure: Failure, product_ids: tuple[uuid.UUID, ...] = ()) -> None:
        super().__init__(failure.reason)
        self.order_id = order_id
        self.failure = failure
        self.product_ids = product_ids


Represent = Callable[[Order | OrderFailed], Answer]


def place(placement: Placement, represent: Represent) -> Answer:
    """Place an order, or return the answer stored under its key.

    `represent` builds the answer that is stored under the key: for a confirmed order, or for a final failure.
    Raises idempotency.KeyReused, idempotency.InProgress, NotAnOrder, OrderFailed for a failure that isn't final, and
    DatabaseError.
    """
    claimed = idempotency.claim(placement)
    if isinstance(claimed, Answer):
        return claimed
    try:
        with use_deadline(Deadline.after(settings.TIMING.order)):
            return _Attempt(claimed, placement, represent, clients()).run()
    except OrderFailed as failed:
        return _give_up(claimed, failed, represent)
    except NotAnOrder:
        raise
    except Exception:
        _abandon(claimed)
        raise


class _Attempt:
    """One run through the steps. Each raises OrderFailed, or NotAnOrder after it has deleted what was written."""

    def __init__(self, order: Order, placement: Placement, represent: Represent, deps: Clients) -> None:
        self.order = order
        self.placement = placement
        self.represent = represent
        self.deps = deps

    def run(self) -> Answer:
        """Run all steps; returns the order's answer, stored under its key."""
        self.identify()
        reservation = self.reserve()
        payment_id = self.charge(reservation)
        self.commit()
        return self.confirm(reservation, payment_id)

    def identify(self) -> None:
        """Fetch the customer from users. From here on the order has an address for mails."""
        try:
            customer = self.deps.users.customer(self.order.user_id)
        except DependencyError as error:
            raise self.without_result(Step.IDENTIFY, error) from error
        if customer is None or not customer.is_active:
            self.discard(ACCOUNT_INACTIVE)
            raise AccountInactive
        self.record_customer(customer)

    def record_customer(self, customer: Customer) -> None:
        self.order.customer_email, self.order.customer_name = customer.email, customer.name
        self.advance(customer_email=customer.email, customer_name=customer.name)

    def reserve(self) -> Reservation:
        """Reserve the stock, which returns the prices."""
        try:
            result = self.deps.inventory.reserve(
                self.order.id, self.placement.lines, ttl_seconds=settings.TIMING.reservation
            )
        except DependencyError as error:
            raise self.without_result(Step.RESERVE, error) from error
        match result:
            case UnknownProduct():
                self.discard(UNKNOWN_PRODUCT)
                raise NoSuchProduct
            case OutOfStock(product_ids):
                raise OrderFailed(self.order.id, FAILURES[Step.RESERVE, Cause.OUT_OF_STOCK], product_ids)
        self.record_reservation(result)
        return result

    def record_reservation(self, reservation: Reservation) -> None:
        """Store the prices, and that a charge is about to be sent."""
        items = list(self.order.items.all())
        for item in items:
            reserved = reservation.products[item.product_id]
            item.sku, item.name, item.unit_price = reserved.sku, reserved.name, reserved.unit_price
        self.order.total, self.order.currency = reservation.total, reservation.currency
        self.order.charge_attempted = True
        with transaction.atomic():
            self.advance(total=reservation.total, currency=reservation.currency, charge_attempted=True)
            OrderItem.objects.bulk_update(items, ["sku", "name", "unit_price"])

    def charge(self, reservation: Reservation) -> str:
        """Charge the card; returns the charge's id."""
        try:
            result = self.deps.payments.charge(
                self.order.id, reservation.total, reservation.currency, self.placement.payment_token
            )
        except DependencyError as error:
            raise self.without_result(Step.CHARGE, error) from error
        if isinstance(result, Declined):
            raise OrderFailed(self.order.id, FAILURES[Step.CHARGE, Cause(result.code)])
        return result.id

    def commit(self) -> None:
        """Make the reservation final."""
        try:
            result = self.deps.inventory.commit(self.order.id)
        except DependencyError as error:
            raise self.without_result(Step.COMMIT, error) from error
        if isinstance(result, Lost):
            raise OrderFailed(self.order.id, FAILURES[Step.COMMIT, Cause.RESERVATION_LOST])

    def confirm(self, reservation: Reservation, payment_id: str) -> Answer:
        """Store the confirmed order, its event and its answer in one transaction."""
        order = self.order
        with transaction.atomic():
            self.advance(status=OrderStatus.CONFIRMED, payment_id=payment_id)
            order.status, order.payment_id = OrderStatus.CONFIRMED, payment_id
            outbox.add(events.confirmed(order), order.carrier)
            answer = self.represent(order)
            idempotency.answer(order, answer)
        orders_placed_total.inc()
        order_value.observe(float(reservation.total))
        logger.info("Order placed", extra={"order.id": str(order.id), "order.items": len(self.placement.lines)})
        return answer

    def advance(self, **values: Any) -> None:
        """Update the order if it is still pending; the reconciler may have cancelled it."""
        if not _update_pending(self.order, **values):
            raise OrderFailed(self.order.id, INTERRUPTED)

    def without_result(self, step: Step, error: DependencyError) -> OrderFailed:
        """Log a call without a usable result; returns the failure that follows from it."""
        invalid = isinstance(error, InvalidAnswer)
        logger.warning(
            "Order failed: %s answered in violation of the contract"
            if invalid
            else "Order failed: %s is not available",
            error.dependency,
            extra={
                "order.id": str(self.order.id),
                "dependency.name": error.dependency,
                "dependency.operation": error.operation,
                "dependency.outcome": error.outcome,
            },
        )
        return OrderFailed(self.order.id, FAILURES[step, Cause.INVALID_ANSWER if invalid else Cause.UNAVAILABLE])

    def discard(self, reason: str) -> None:
        """Delete what was written for a request that can't be an order. Its key is free again."""
        Order.objects.filter(pk=self.order.pk, status=OrderStatus.PENDING).delete()
        orders_failed_total.labels(reason).inc()
        logger.info("Order refused", extra={"order.id": str(self.order.id), "order.reason": reason})


def cancel(order: Order, reason: Reason, *, release: bool, answer: Answer | None = None) -> bool:
    """Cancel a pending order with its event, and store its answer or free its key, in one transaction.

    Returns False when the order was no longer pending. `release`: its stock may be held. Without `answer` the key is
    free for a retry.
    """
    with transaction.atomic():
        if not _update_pending(order, status=OrderStatus.CANCELLED, reason=reason, stock_release_pending=release):
            if release:
                # The placement or the reconciler cancelled it first, possibly before its stock was reserved.
                Order.objects.filter(pk=order.pk, status=OrderStatus.CANCELLED).update(stock_release_pending=True)
            return False
        order.status, order.reason, order.stock_release_pending = OrderStatus.CANCELLED, reason, release
        if order.customer_email:
            outbox.add(events.cancelled(order), order.carrier)
        if answer is not None:
            idempotency.answer(order, answer)
        else:
            idempotency.free(order)
    orders_failed_total.labels(reason.value).inc()
    logger.info("Order cancelled", extra={"order.id": str(order.id), "order.reason": reason.value})
    return True


def release_stock(order: Order) -> None:
    """Release the stock of a cancelled order and record it. Raises DependencyError."""
    clients().inventory.release(order.id)
    Order.objects.filter(pk=order.pk).update(stock_release_pending=False, updated_at=timezone.now())


def _give_up(order: Order, failed: OrderFailed, represent: Represent) -> Answer:
    """Cancel the order and undo what can be undone now. Returns the answer of a final failure, otherwise raises it."""
    failure = failed.failure
    answer = represent(failed) if failure.is_final else None
    cancel(order, failure.reason, release=failure.stock is not Stock.NOT_HELD, answer=answer)
    if failure.stock is Stock.RELEASE_NOW:
        try:
            with use_deadline(Deadline.after(settings.TIMING.release)):
                release_stock(order)
        except DependencyError as error:
            logger.warning(
                "Stock is not released yet; the reconciler goes on",
                extra={"order.id": str(order.id), "dependency.name": "inventory", "dependency.outcome": error.outcome},
            )
    if answer is None:
        raise failed
    return answer


def _abandon(order: Order) -> None:
    """After an unexpected error, such as a lost database: cancel now, or leave the order to the reconciler."""
    try:
        # A broken connection is worth replacing: what is stored now needn't wait for the reconciler.
        connection.close_if_unusable_or_obsolete()
        cancel(order, Reason.INTERRUPTED, release=True)
    except DatabaseError:
        logger.warning("Order left pending; the reconciler cancels it", extra={"order.id": str(order.id)})


def _update_pending(order: Order, **values: Any) -> bool:
    changed = Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING).update(**values, updated_at=timezone.now())
    return changed == 1
