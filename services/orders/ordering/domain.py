"""Placing an order: reserve the stock, charge the card, make the stock final; and undoing it when a step fails.

Each step's outcome is committed before the next step begins, and no transaction is open while another service is
called. Every change of an order's status asks that it is still pending, so that this and the reconciler, which
cancels orders whose process died, can't both decide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from contracts.api.problems import DependencyUnavailable, Problem
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django_telemetry.deadlines import Deadline, use_deadline
from django_telemetry.edges import DependencyError

from ordering import events, idempotency, outbox
from ordering.clients import Clients, Customer, Declined, Lost, OutOfStock, Reservation, UnknownProduct, clients
from ordering.idempotency import Answer
from ordering.metrics import ACCOUNT_INACTIVE, UNKNOWN_PRODUCT, order_value, orders_failed_total, orders_placed_total
from ordering.models import Order, OrderItem, OrderStatus, Reason
from ordering.placement import Placement

logger = logging.getLogger(__name__)

Represent = Callable[[Order], dict[str, Any]]

# What payments says when the card is no good: the order's reason, and what the customer reads.
_DECLINED = {
    "card_declined": (Reason.PAYMENT_DECLINED, "The card was declined."),
    "insufficient_funds": (Reason.INSUFFICIENT_FUNDS, "The card doesn't have the funds."),
}


def place(placement: Placement, represent: Represent) -> Answer:
    """Place an order, or give again what its key was answered before. `represent` makes the body of a 201.

    Raises Problem for what isn't kept under the key (400, 403, 409 in progress, 422, 503), and DatabaseError.
    """
    try:
        claimed = idempotency.claim(placement)
    except idempotency.KeyReused:
        raise Problem(422, "idempotency_key_reused", "This Idempotency-Key came with another body before.") from None
    except idempotency.InProgress:
        raise Problem(
            409, "request_in_progress", "An order with this Idempotency-Key is being placed now.", retry_after=1
        ) from None
    if isinstance(claimed, Answer):
        return claimed
    try:
        with use_deadline(Deadline.after(settings.TIMING.order)):
            return _Attempt(claimed, placement, represent, clients()).run()
    except _Failed as failed:
        return _give_up(claimed, failed)
    except Problem:
        raise
    except Exception:
        _abandon(claimed)
        raise


class _Failed(Exception):
    """A step failed. The order ends as cancelled for `reason`; `kept` answers are final, others may be retried."""

    def __init__(
        self, reason: Reason, problem: Problem, *, release: bool, release_now: bool = False, kept: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.problem = problem
        self.release = release
        self.release_now = release_now
        self.kept = kept


class _Attempt:
    """One way through the steps. Each raises _Failed, or Problem after having removed what was written."""

    def __init__(self, order: Order, placement: Placement, represent: Represent, deps: Clients) -> None:
        self.order = order
        self.placement = placement
        self.represent = represent
        self.deps = deps

    def run(self) -> Answer:
        """All steps. The answer is the order's 201, kept under its key."""
        self.identify()
        reservation = self.reserve()
        payment_id = self.charge(reservation)
        self.commit()
        return self.confirm(reservation, payment_id)

    def identify(self) -> None:
        """Who orders? From here on there is somebody to tell about the order."""
        try:
            customer = self.deps.users.customer(self.order.user_id)
        except DependencyError as error:
            raise self.unavailable("users", Reason.USERS_UNAVAILABLE, error, release=False) from error
        if customer is None or not customer.is_active:
            self.discard(ACCOUNT_INACTIVE)
            raise Problem(403, "account_inactive", "This account can't place orders.")
        self.record_customer(customer)

    def record_customer(self, customer: Customer) -> None:
        self.order.customer_email, self.order.customer_name = customer.email, customer.name
        self.advance(customer_email=customer.email, customer_name=customer.name)

    def reserve(self) -> Reservation:
        """Hold the stock, and learn the prices."""
        try:
            result = self.deps.inventory.reserve(
                self.order.id, self.placement.lines, ttl_seconds=settings.TIMING.reservation
            )
        except DependencyError as error:
            # Whether the stock is held now is unknown.
            raise self.unavailable("inventory", Reason.INVENTORY_UNAVAILABLE, error, release=True) from error
        match result:
            case UnknownProduct():
                self.discard(UNKNOWN_PRODUCT)
                raise Problem(400, "unknown_product", "The order names a product that doesn't exist.")
            case OutOfStock(product_ids):
                extra = {"product_ids": [str(product_id) for product_id in product_ids]}
                problem = self.problem(409, "out_of_stock", "There is not enough stock of a product.", **extra)
                raise _Failed(Reason.OUT_OF_STOCK, problem, release=False, kept=True)
        self.record_reservation(result)
        return result

    def record_reservation(self, reservation: Reservation) -> None:
        """Write down the prices, and that a charge is about to be sent."""
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
        """Charge the card; the charge's id."""
        try:
            result = self.deps.payments.charge(
                self.order.id, reservation.total, reservation.currency, self.placement.payment_token
            )
        except DependencyError as error:
            # Whether the card was charged is unknown: payments voids on order.cancelled.v1.
            raise self.unavailable(
                "payments", Reason.PAYMENT_UNAVAILABLE, error, release=True, release_now=True
            ) from error
        if isinstance(result, Declined):
            reason, detail = _DECLINED[result.code]
            problem = self.problem(402, result.code, detail)
            raise _Failed(reason, problem, release=True, release_now=True, kept=True)
        return result.id

    def commit(self) -> None:
        """Make the reservation final."""
        try:
            result = self.deps.inventory.commit(self.order.id)
        except DependencyError as error:
            raise self.unavailable("inventory", Reason.INVENTORY_UNAVAILABLE, error, release=True) from error
        if isinstance(result, Lost):
            problem = DependencyUnavailable("inventory")
            raise _Failed(Reason.INVENTORY_UNAVAILABLE, problem, release=True, release_now=True)

    def confirm(self, reservation: Reservation, payment_id: str) -> Answer:
        """The order, its event and its answer, all or none."""
        order = self.order
        with transaction.atomic():
            self.advance(status=OrderStatus.CONFIRMED, payment_id=payment_id)
            order.status, order.payment_id = OrderStatus.CONFIRMED, payment_id
            outbox.add(events.confirmed(order), order.carrier)
            answer = Answer(201, self.represent(order))
            idempotency.answer(order, answer)
        orders_placed_total.inc()
        order_value.observe(float(reservation.total))
        logger.info("Order placed", extra={"order.id": str(order.id), "order.items": len(self.placement.lines)})
        return answer

    def advance(self, **values: Any) -> None:
        """Write to the order if it is still this attempt's; the reconciler may have cancelled it meanwhile."""
        if not _update_pending(self.order, **values):
            problem = Problem(503, "interrupted", "The order took too long and was cancelled.", retry_after=1)
            raise _Failed(Reason.INTERRUPTED, problem, release=True, release_now=True)

    def problem(self, status: int, code: str, detail: str, **extra: Any) -> Problem:
        return Problem(status, code, detail, extra={"order_id": str(self.order.id), **extra})

    def unavailable(
        self, dependency: str, reason: Reason, error: DependencyError, *, release: bool, release_now: bool = False
    ) -> _Failed:
        logger.warning(
            "Order failed: %s is not available",
            dependency,
            extra={
                "order.id": str(self.order.id),
                "dependency.name": dependency,
                "dependency.operation": error.operation,
                "dependency.outcome": error.outcome,
            },
        )
        return _Failed(reason, DependencyUnavailable(dependency), release=release, release_now=release_now)

    def discard(self, reason: str) -> None:
        """Remove what was written for a request that can't be an order at all. Its key is free again."""
        Order.objects.filter(pk=self.order.pk, status=OrderStatus.PENDING).delete()
        orders_failed_total.labels(reason).inc()
        logger.info("Order refused", extra={"order.id": str(self.order.id), "order.reason": reason})


def cancel(order: Order, reason: Reason, *, release: bool, answer: Answer | None = None) -> bool:
    """Cancel a pending order with its event and its key's fate, in one transaction. False: it wasn't pending any more.

    `release`: its stock may be held. Without `answer` the key is free for a retry.
    """
    with transaction.atomic():
        if not _update_pending(order, status=OrderStatus.CANCELLED, reason=reason, stock_release_pending=release):
            if release:
                # Somebody else cancelled it, maybe before its stock was held.
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
    """Release the stock of a cancelled order and note that it is done. Raises DependencyError."""
    clients().inventory.release(order.id)
    Order.objects.filter(pk=order.pk).update(stock_release_pending=False, updated_at=timezone.now())


def _give_up(order: Order, failed: _Failed) -> Answer:
    """Cancel the order, undo what can be undone at once, and answer or raise what the step said."""
    problem = failed.problem
    answer = Answer(problem.status_code, {"code": problem.problem_code, "detail": str(problem.detail), **problem.extra})
    cancelled = cancel(order, failed.reason, release=failed.release, answer=answer if failed.kept else None)
    if failed.release_now:
        try:
            with use_deadline(Deadline.after(settings.TIMING.release)):
                release_stock(order)
        except DependencyError as error:
            logger.warning(
                "Stock is not released yet; the reconciler goes on",
                extra={"order.id": str(order.id), "dependency.name": "inventory", "dependency.outcome": error.outcome},
            )
    if failed.kept and cancelled:
        return answer
    raise problem


def _abandon(order: Order) -> None:
    """After an error that no step foresaw, such as a lost database: cancel at once, or leave it to the reconciler."""
    try:
        # A connection that broke is worth a new one: what is written down now needn't wait for the reconciler.
        connection.close_if_unusable_or_obsolete()
        cancel(order, Reason.INTERRUPTED, release=True)
    except DatabaseError:
        logger.warning("Order left pending; the reconciler cancels it", extra={"order.id": str(order.id)})


def _update_pending(order: Order, **values: Any) -> bool:
    changed = Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING).update(**values, updated_at=timezone.now())
    return changed == 1
