"""Events for orders that don't exist."""

from __future__ import annotations

import uuid
from typing import Any

from contracts.events import ORDER_CONFIRMED, new_event


def confirmed(order_id: str) -> dict[str, Any]:
    """A valid order.confirmed.v1 for that order id."""
    data = {
        "order_id": order_id,
        "customer": {"id": str(uuid.uuid4()), "email": "unknown@example.com", "name": "Unknown"},
        "items": [
            {"product_id": str(uuid.uuid4()), "sku": "NONE", "name": "Nothing", "quantity": 1, "unit_price": "1.00"}
        ],
        "total": {"amount": "1.00", "currency": "EUR"},
        "placed_at": "2026-01-01T00:00:00.000+00:00",
    }
    return new_event(ORDER_CONFIRMED, service="orders", subject=order_id, data=data)
