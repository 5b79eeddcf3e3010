"""inventory.v1.Inventory: maps messages to the domain, and domain errors to status codes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, timedelta
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import grpc
from contracts.api.serializers import CENT
from contracts.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django_telemetry.deadlines import Deadline, current_deadline
from django_telemetry.errors import capture_exception

from stock import domain
from stock.models import MAX_QUANTITY, ReservationStatus

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Limits the trailing metadata too: gRPC allows 8 KiB, and each product that is out of stock takes 39 bytes.
MAX_ITEMS = 100
MAX_TTL_SECONDS = 3600
# Applies when neither the caller nor the telemetry interceptor sets a deadline.
DEFAULT_DEADLINE_SECONDS = 5.0

STATUSES = {
    ReservationStatus.HELD: inventory_pb2.RESERVATION_STATUS_HELD,
    ReservationStatus.COMMITTED: inventory_pb2.RESERVATION_STATUS_COMMITTED,
    ReservationStatus.RELEASED: inventory_pb2.RESERVATION_STATUS_RELEASED,
    ReservationStatus.EXPIRED: inventory_pb2.RESERVATION_STATUS_EXPIRED,
}


class Invalid(Exception):
    """The request violates the contract; the message says how."""


class InventoryServicer(inventory_pb2_grpc.InventoryServicer):
    """Behaviour of each call: see inventory.proto."""

    def Reserve(  # noqa: N802
        self, request: inventory_pb2.ReserveRequest, context: grpc.ServicerContext
    ) -> inventory_pb2.ReserveResponse:
        """Hold stock for an order."""
        return _answer(context, lambda deadline: _reserve(request, deadline))

    def Release(  # noqa: N802
        self, request: inventory_pb2.ReleaseRequest, context: grpc.ServicerContext
    ) -> inventory_pb2.ReleaseResponse:
        """Return an order's stock."""
        return _answer(context, lambda deadline: _release(request, deadline))

    def Commit(  # noqa: N802
        self, request: inventory_pb2.CommitRequest, context: grpc.ServicerContext
    ) -> inventory_pb2.CommitResponse:
        """Make an order's reservation final."""
        return _answer(context, lambda deadline: _commit(request, deadline))


def _reserve(request: inventory_pb2.ReserveRequest, deadline: Deadline) -> inventory_pb2.ReserveResponse:
    order_id = _uuid(request.order_id, "order_id")
    quantities = _quantities(request.items)
    if request.ttl_seconds > MAX_TTL_SECONDS:
        raise Invalid(f"ttl_seconds: 0 to {MAX_TTL_SECONDS}")
    ttl = timedelta(seconds=request.ttl_seconds or settings.RESERVATION_TTL_SECONDS)
    held = domain.reserve(order_id, quantities, ttl, deadline)
    return inventory_pb2.ReserveResponse(
        reservation_id=str(held.reservation.id),
        expires_at=held.reservation.expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        items=[
            inventory_pb2.ReservedItem(
                product_id=str(line.product_id),
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price=inventory_pb2.Money(amount=str(line.unit_price.quantize(CENT)), currency=line.currency),
            )
            for line in held.lines
        ],
        status=STATUSES[ReservationStatus(held.status)],
    )


def _release(request: inventory_pb2.ReleaseRequest, deadline: Deadline) -> inventory_pb2.ReleaseResponse:
    status = domain.release(_uuid(request.order_id, "order_id"), deadline)
    if status is None:
        return inventory_pb2.ReleaseResponse()
    return inventory_pb2.ReleaseResponse(status=STATUSES[ReservationStatus(status)])


def _commit(request: inventory_pb2.CommitRequest, deadline: Deadline) -> inventory_pb2.CommitResponse:
    domain.commit(_uuid(request.order_id, "order_id"), deadline)
    return inventory_pb2.CommitResponse(status=inventory_pb2.RESERVATION_STATUS_COMMITTED)


def _quantities(items: Iterable[inventory_pb2.Item]) -> dict[UUID, int]:
    quantities: dict[UUID, int] = {}
    for index, item in enumerate(items):
        if index >= MAX_ITEMS:
            raise Invalid(f"items: at most {MAX_ITEMS}")
        product_id = _uuid(item.product_id, f"items[{index}].product_id")
        if product_id in quantities:
            raise Invalid(f"items[{index}].product_id: is listed twice")
        if not 1 <= item.quantity <= MAX_QUANTITY:
            raise Invalid(f"items[{index}].quantity: 1 to {MAX_QUANTITY}")
        quantities[product_id] = item.quantity
    if not quantities:
        raise Invalid("items: at least one")
    return quantities


def _uuid(text: str, field: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError:
        raise Invalid(f"{field}: a UUID") from None
    if str(value) != text.lower():  # Python also accepts braces, urn: and missing hyphens
        raise Invalid(f"{field}: a UUID with hyphens")
    return value


def _answer(context: grpc.ServicerContext, work: Callable[[Deadline], Answer]) -> Answer:
    """Return the result of `work`, or abort with the status code for its exception."""
    deadline = current_deadline() or Deadline.after(_seconds_left(context))
    try:
        return work(deadline)
    except Invalid as error:
        _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except domain.UnknownProducts as error:
        _abort(context, grpc.StatusCode.NOT_FOUND, f"Unknown products: {_names(error.product_ids)}")
    except domain.NoReservation:
        _abort(context, grpc.StatusCode.NOT_FOUND, "There is no reservation for this order.")
    except domain.OutOfStock as error:
        product_ids = json.dumps([str(key) for key in error.product_ids], separators=(",", ":"))
        context.set_trailing_metadata((("out-of-stock", product_ids),))
        _abort(context, grpc.StatusCode.FAILED_PRECONDITION, f"Out of stock: {_names(error.product_ids)}")
    except domain.NotHeld as error:
        _abort(context, grpc.StatusCode.FAILED_PRECONDITION, f"The reservation is {error.status}.")
    except domain.StockBusy:
        _abort(context, grpc.StatusCode.ABORTED, "The stock is being changed by others. Try again.")
    except domain.DeadlinePassed:
        _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline has passed; nothing was changed.")
    except (OperationalError, InterfaceError):
        logger.exception("The database can't serve this call")
        _abort(context, grpc.StatusCode.UNAVAILABLE, "postgresql is not available.")
    except Exception as error:
        # gRPC would send the exception's text to the caller.
        capture_exception(error)
        logger.exception("A call failed")
        _abort(context, grpc.StatusCode.INTERNAL, "Something went wrong here.")


def _seconds_left(context: grpc.ServicerContext) -> float:
    left: float | None = context.time_remaining()
    return DEFAULT_DEADLINE_SECONDS if left is None else min(left, DEFAULT_DEADLINE_SECONDS)


def _names(product_ids: Iterable[UUID]) -> str:
    return ", ".join(str(product_id) for product_id in list(product_ids)[:5])


def _abort(context: Any, code: grpc.StatusCode, details: str) -> NoReturn:
    context.abort(code, details)
    raise AssertionError("abort raises")
