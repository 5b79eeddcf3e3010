"""Events about the outcome of an order. Their schemas are in contracts.events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.api.serializers import CENT, money
from contracts.events import ORDER_CANCELLED, ORDER_CONFIRMED, new_event

from ordering.models import Order, OrderItem, Reason

SERVICE = "orders"

# The contract's reasons are those that matter to a customer. An order without a customer has no event.
_EVENT_REASONS: Mapping[str, Reason] = {
    Reason.PAYMENT_INVALID: Reason.PAYMENT_UNAVAILABLE,
    Reason.INVENTORY_INVALID: Reason.INVENTORY_UNAVAILABLE,
}


def confirmed(order: Order) -> dict[str, Any]:
    """Build order.confirmed.v1 from an order with customer, prices and total. Raises InvalidEvent if one is missing."""
    return new_event(ORDER_CONFIRMED, service=SERVICE, subject=str(order.id), data=_data(order))


def cancelled(order: Order) -> dict[str, Any]:
    """Build order.cancelled.v1 from an order with customer and reason. Prices and total are included when known."""
    reason = _EVENT_REASONS.get(order.reason, order.reason)
    data = {**_data(order), "reason": reason, "charge_attempted": order.charge_attempted}
    return new_event(ORDER_CANCELLED, service=SERVICE, subject=str(order.id), data=data)


def _data(order: Order) -> dict[str, Any]:
    data: dict[str, Any] = {
        "order_id": str(order.id),
        "customer": {"id": str(order.user_id), "email": order.customer_email, "name": order.customer_name},
        "items": [_item(item) for item in order.items.all()],
        "placed_at": order.created_at.isoformat(timespec="milliseconds"),
    }
    if order.total is not None:
        data["total"] = money(order.total, order.currency)
    return data


def _item(item: OrderItem) -> dict[str, Any]:
    known: dict[str, Any] = {"product_id": str(item.product_id), "quantity": item.quantity}
    if item.unit_price is not None:
        known |= {"sku": item.sku, "name": item.name, "unit_price": str(item.unit_price.quantize(CENT))}
    return known
