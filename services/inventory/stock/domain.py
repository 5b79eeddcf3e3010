"""Reserving stock for orders, and returning it.

Locks are always taken in one order, which rules out deadlocks: first rows of Reservation, then rows of Product by id.
An operation on several Reservation rows skips those that are locked.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django_telemetry.deadlines import Deadline
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled, UniqueViolation

from stock import metrics
from stock.models import Product, Reservation, ReservationItem, ReservationStatus

logger = logging.getLogger(__name__)

# The longest wait for one row. Shorter than the remaining deadline, so that the caller still gets the reason.
LOCK_TIMEOUT_SECONDS = 2.0
LOCK_SHARE_OF_DEADLINE = 0.8
SWEEP_BATCH = 100


class UnknownProducts(Exception):
    """These products don't exist."""

    def __init__(self, product_ids: Collection[UUID]) -> None:
        super().__init__()
        self.product_ids = sorted(product_ids)


class OutOfStock(Exception):
    """There is not enough stock of these products. Nothing was reserved."""

    def __init__(self, product_ids: Collection[UUID]) -> None:
        super().__init__()
        self.product_ids = sorted(product_ids)


class NoReservation(Exception):
    """The order never had a reservation."""


class NotHeld(Exception):
    """The reservation was released or has expired: see `status`."""

    def __init__(self, status: str) -> None:
        super().__init__()
        self.status = status


class StockBusy(Exception):
    """Other transactions held the row locks for too long. Nothing was changed."""


class DeadlinePassed(Exception):
    """The caller's deadline has passed. Nothing was changed."""


@dataclass(frozen=True)
class ReservedLine:
    """One product of a reservation, at its price at the time of the reservation."""

    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    currency: str


@dataclass(frozen=True)
class Held:
    """A reservation and its lines. `status` is expired as soon as the time is over, even before the sweep."""

    reservation: Reservation
    status: str
    lines: tuple[ReservedLine, ...]


def reserve(order_id: UUID, quantities: Mapping[UUID, int], ttl: timedelta, deadline: Deadline) -> Held:
    """Reserve `quantities` (product id → number) for an order; all or nothing.

    Idempotent: a repeated call returns the order's reservation, in whatever state, and reserves nothing more. Raises
    UnknownProducts, OutOfStock, StockBusy or DeadlinePassed.
    """
    with _counted():
        try:
            held, is_new = _take(order_id, quantities, ttl, deadline)
        except OutOfStock as shortage:
            # An expired reservation may hold the missing stock: don't wait for the sweep.
            if not _expire(deadline, of_products=shortage.product_ids):
                raise
            held, is_new = _take(order_id, quantities, ttl, deadline)
    metrics.reservations_total.labels("held" if is_new else "repeated").inc()
    logger.info(
        "Stock reserved" if is_new else "Reservation asked for again",
        extra={**_ids(held.reservation), "reservation.status": held.status, "reservation.items": len(held.lines)},
    )
    return held


def commit(order_id: UUID, deadline: Deadline) -> None:
    """Make a held reservation final. Idempotent. Raises NoReservation, NotHeld, StockBusy or DeadlinePassed."""
    with _counted(), _transaction(deadline):
        reservation = _lock_reservation(order_id)
        before = reservation.status
        if before == ReservationStatus.HELD:
            if reservation.expires_at > timezone.now():
                reservation.status = ReservationStatus.COMMITTED
                reservation.save(update_fields=["status"])
            else:
                _put_back([reservation], ReservationStatus.EXPIRED)
    if before == ReservationStatus.HELD:
        _settled([reservation])
    if reservation.status != ReservationStatus.COMMITTED:
        raise NotHeld(reservation.status)


def release(order_id: UUID, deadline: Deadline) -> str | None:
    """Return an order's stock, held or committed. Idempotent. Raises StockBusy or DeadlinePassed.

    Returns the reservation's new status, or None when there is no reservation.
    """
    try:
        with _counted(), _transaction(deadline):
            reservation = _lock_reservation(order_id)
            changed = reservation.status in (ReservationStatus.HELD, ReservationStatus.COMMITTED)
            if changed:
                _put_back([reservation], ReservationStatus.RELEASED)
    except NoReservation:
        return None
    if changed:
        _settled([reservation])
    return reservation.status


def expire_overdue(deadline: Deadline) -> int:
    """Return the stock of all overdue reservations; returns their number. Safe to run in several processes."""
    expired = 0
    while batch := _expire(deadline):
        expired += batch
    return expired


def has_overdue() -> bool:
    """Return whether the sweep has work to do."""
    return _overdue().exists()


def stock_levels() -> dict[str, int]:
    """Count the products that are out of stock, low and ok."""
    out, low = Q(available=0), Q(available__gt=0, available__lt=metrics.LOW_STOCK)
    return Product.objects.aggregate(
        out=Count("pk", filter=out), low=Count("pk", filter=low), ok=Count("pk", filter=~out & ~low)
    )


def _take(order_id: UUID, quantities: Mapping[UUID, int], ttl: timedelta, deadline: Deadline) -> tuple[Held, bool]:
    """Return the order's reservation, and whether this call created it."""
    try:
        with _transaction(deadline):
            products = _lock_products(quantities)
            # Only now: a concurrent call for the same order may have reserved while this one waited for the rows.
            if existing := Reservation.objects.filter(order_id=order_id).first():
                return _held(existing), False
            if unknown := set(quantities) - set(products):
                raise UnknownProducts(unknown)
            if short := [key for key, product in products.items() if product.available < quantities[key]]:
                raise OutOfStock(short)
            if deadline.expired:
                raise DeadlinePassed
            for key, product in products.items():
                product.available -= quantities[key]
            Product.objects.bulk_update(products.values(), ["available"])
            reservation = Reservation.objects.create(order_id=order_id, expires_at=timezone.now() + ttl)
            ReservationItem.objects.bulk_create(
                ReservationItem(
                    reservation=reservation,
                    product=product,
                    quantity=quantities[key],
                    unit_price=product.price,
                    currency=product.currency,
                )
                for key, product in products.items()
            )
            return _held(reservation), True
    except IntegrityError as error:
        # A concurrent call for the same order with other products: the two locked different rows.
        if isinstance(error.__cause__, UniqueViolation):
            return _held(Reservation.objects.get(order_id=order_id)), False
        raise


def _held(reservation: Reservation) -> Held:
    overdue = reservation.status == ReservationStatus.HELD and reservation.expires_at <= timezone.now()
    items = ReservationItem.objects.filter(reservation=reservation).select_related("product").order_by("product_id")
    return Held(
        reservation=reservation,
        status=ReservationStatus.EXPIRED if overdue else reservation.status,
        lines=tuple(
            ReservedLine(
                product_id=item.product.id,
                sku=item.product.sku,
                name=item.product.name,
                quantity=item.quantity,
                unit_price=item.unit_price,
                currency=item.currency,
            )
            for item in items
        ),
    )


def _expire(deadline: Deadline, of_products: Collection[UUID] | None = None) -> int:
    """Return the stock of a batch of overdue reservations, optionally of certain products; returns their number."""
    overdue = _overdue()
    if of_products is not None:
        holders = ReservationItem.objects.filter(product_id__in=of_products).values("reservation_id")
        overdue = overdue.filter(pk__in=holders)
    with _transaction(deadline):
        batch = list(overdue.select_for_update(skip_locked=True, no_key=True).order_by("expires_at")[:SWEEP_BATCH])
        if batch:
            _put_back(batch, ReservationStatus.EXPIRED)
    _settled(batch)
    return len(batch)


def _overdue() -> QuerySet[Reservation]:
    return Reservation.objects.filter(status=ReservationStatus.HELD, expires_at__lte=timezone.now())


def _lock_reservation(order_id: UUID) -> Reservation:
    reservation = Reservation.objects.select_for_update(no_key=True).filter(order_id=order_id).first()
    if reservation is None:
        raise NoReservation
    return reservation


def _lock_products(product_ids: Iterable[UUID]) -> dict[UUID, Product]:
    rows = Product.objects.select_for_update(no_key=True).filter(pk__in=list(product_ids)).order_by("pk")
    return {product.id: product for product in rows}


def _put_back(reservations: Collection[Reservation], status: ReservationStatus) -> None:
    """Return the stock of locked reservations, and set their final status."""
    totals: Counter[UUID] = Counter()
    for product_id, quantity in ReservationItem.objects.filter(reservation__in=reservations).values_list(
        "product_id", "quantity"
    ):
        totals[product_id] += quantity
    products = _lock_products(totals)
    for key, product in products.items():
        product.available += totals[key]
    Product.objects.bulk_update(products.values(), ["available"])
    for reservation in reservations:
        reservation.status = status
    Reservation.objects.filter(pk__in=[reservation.pk for reservation in reservations]).update(status=status)


def _settled(reservations: Iterable[Reservation]) -> None:
    for reservation in reservations:
        metrics.reservations_total.labels(reservation.status).inc()
        logger.info("Reservation %s", reservation.status, extra=_ids(reservation))


def _ids(reservation: Reservation) -> dict[str, str]:
    return {"order.id": str(reservation.order_id), "reservation.id": str(reservation.id)}


@contextmanager
def _transaction(deadline: Deadline) -> Iterator[None]:
    """A transaction with time limits. Raises StockBusy (rows stayed locked) or DeadlinePassed."""
    if deadline.expired:
        raise DeadlinePassed
    try:
        with transaction.atomic():
            _bound_statements(deadline)
            yield
    except OperationalError as error:
        cause = error.__cause__
        if isinstance(cause, QueryCanceled):
            raise DeadlinePassed from error
        if isinstance(cause, LockNotAvailable | DeadlockDetected):
            raise StockBusy from error
        raise


def _bound_statements(deadline: Deadline) -> None:
    # Waiting for a connection may have used up time.
    remaining = deadline.remaining()
    if remaining <= 0:
        raise DeadlinePassed
    lock = min(LOCK_TIMEOUT_SECONDS, remaining * LOCK_SHARE_OF_DEADLINE)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
            [f"{_milliseconds(remaining)}ms", f"{_milliseconds(lock)}ms"],
        )


def _milliseconds(seconds: float) -> int:
    # 0 would mean no limit.
    return max(1, int(seconds * 1000))


@contextmanager
def _counted() -> Iterator[None]:
    """Count the reason why a reservation wasn't made, committed or released."""
    try:
        yield
    except OutOfStock as shortage:
        metrics.reservations_total.labels("out_of_stock").inc()
        metrics.stock_outs_total.inc(len(shortage.product_ids))
        logger.info("Out of stock", extra={"product.ids": [str(key) for key in shortage.product_ids]})
        raise
    except UnknownProducts:
        metrics.reservations_total.labels("unknown_product").inc()
        raise
    except StockBusy:
        metrics.reservations_total.labels("busy").inc()
        logger.warning("Stock rows stayed locked for too long")
        raise
    except DeadlinePassed:
        metrics.reservations_total.labels("deadline_exceeded").inc()
        raise
