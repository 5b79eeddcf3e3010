"""The reconciler: completes interrupted orders, and prunes the tables."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from django.db import OperationalError, connection
from django.db.models import Count, Min, Model, QuerySet
from django.utils import timezone
from django_telemetry.context import unit_of_work
from django_telemetry.edges import ERROR, DependencyError
from django_telemetry.metrics import gauge

from ordering import domain
from ordering.health import Health
from ordering.models import IdempotencyKey, KeyState, Order, OrderStatus, OutboxEvent, Reason
from ordering.timing import Timing

logger = logging.getLogger(__name__)

BATCH_SIZE = 100

outbox_unpublished = gauge("outbox_unpublished", "Events in the outbox that the broker hasn't confirmed yet.")
outbox_oldest_age_seconds = gauge(
    "outbox_oldest_age_seconds", "Age of the oldest event that the broker hasn't confirmed yet; 0 when there is none."
)


class Reconciler:
    """Runs a round repeatedly until `stop` is set. Several instances may run at the same time."""

    def __init__(self, timing: Timing, stop: threading.Event) -> None:
        self._timing = timing
        self._stop = stop
        self._inventory = Health("inventory")
        self._database = Health("postgresql")
        self._prune_at = time.monotonic()

    def run(self) -> None:
        """Run until `stop`; the current round is finished first."""
        while not self._stop.is_set():
            try:
                self.round()
            finally:
                connection.close()  # return the connection to the pool until the next round
            self._stop.wait(self._timing.reconcile_every)

    def round(self) -> None:
        """Run every task once. A failed task is retried in the next round."""
        try:
            measure_outbox()
            cancel_interrupted(self._timing.stuck_after)
            self._release_stock()
            if time.monotonic() >= self._prune_at:
                prune(self._timing.keep_published, self._timing.keep_answers)
                self._prune_at = time.monotonic() + self._timing.prune_every
            self._database.up()
        except OperationalError as error:
            self._database.down(error)

    def _release_stock(self) -> None:
        try:
            if release_pending_stock():
                self._inventory.up()
        except DependencyError as error:
            self._inventory.down(error)


def measure_outbox() -> None:
    """Set the outbox's gauges."""
    backlog = OutboxEvent.objects.filter(published_at__isnull=True).aggregate(
        count=Count("id"), oldest=Min("created_at")
    )
    outbox_unpublished.set(backlog["count"])
    age = timezone.now() - backlog["oldest"] if backlog["oldest"] else timedelta()
    outbox_oldest_age_seconds.set(max(0.0, age.total_seconds()))


def cancel_interrupted(stuck_after: timedelta) -> int:
    """Cancel orders pending for longer than any request lives, as their process died; returns their number."""
    stuck = Order.objects.filter(status=OrderStatus.PENDING, created_at__lt=timezone.now() - stuck_after)
    cancelled = 0
    for order in stuck.order_by("created_at").prefetch_related("items")[:BATCH_SIZE]:
        try:
            with unit_of_work("cancel interrupted order", parent=order.carrier):
                # Stock is reserved only after the customer is stored.
                cancelled += domain.cancel(order, Reason.INTERRUPTED, release=bool(order.customer_email))
        except OperationalError:
            raise
        except Exception:
            # An order that can't be handled must not delay the others.
            logger.exception("An interrupted order can't be cancelled", extra={"order.id": str(order.id)})
    return cancelled


def release_pending_stock() -> int:
    """Release the stock of cancelled orders; returns their number. Raises DependencyError when inventory is down."""
    pending = Order.objects.filter(stock_release_pending=True).order_by("updated_at")[:BATCH_SIZE]
    released = 0
    for order in pending:
        with unit_of_work("release stock", parent=order.carrier):
            failure = _release(order)
        if failure is None:
            released += 1
        elif failure.outcome != ERROR:
            # Inventory is down: the remaining calls would only wait for the same error.
            raise failure
    return released


def _release(order: Order) -> DependencyError | None:
    try:
        domain.release_stock(order)
    except DependencyError as error:
        return error
    logger.info("Stock released", extra={"order.id": str(order.id)})
    return None


def prune(keep_published: timedelta, keep_answers: timedelta) -> None:
    """Delete events published long ago, and answers whose clients no longer retry."""
    now = timezone.now()
    events = _delete(OutboxEvent.objects.filter(published_at__lt=now - keep_published))
    answers = _delete(
        IdempotencyKey.objects.filter(created_at__lt=now - keep_answers).exclude(state=KeyState.IN_PROGRESS)
    )
    if events or answers:
        logger.info("Pruned", extra={"pruned.events": events, "pruned.answers": answers})


def _delete(rows: QuerySet[Model]) -> int:
    """Delete in small transactions, so that no other transaction waits for a large one."""
    deleted = 0
    while ids := list(rows.values_list("pk", flat=True)[:1000]):
        deleted += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return deleted
