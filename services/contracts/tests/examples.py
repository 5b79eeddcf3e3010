"""Golden events, as producers of version 1 have sent them. Append only."""

import copy
from typing import Any

ORDER_ID = "0190d6c8-0000-7000-8000-000000000001"
_ITEM = {
    "product_id": "0190d6c8-0000-7000-8000-00000000000a",
    "sku": "MUG-01",
    "name": "Mug",
    "quantity": 2,
    "unit_price": "9.95",
}
_CUSTOMER = {"id": "0190d6c8-0000-7000-8000-00000000000c", "email": "a@example.org", "name": "A"}

CONFIRMED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "0190d6c8-0000-7000-8000-0000000000e1",
    "source": "/services/orders",
    "type": "order.confirmed.v1",
    "time": "2026-01-02T03:04:05.678+00:00",
    "subject": ORDER_ID,
    "datacontenttype": "application/json",
    "data": {
        "order_id": ORDER_ID,
        "customer": _CUSTOMER,
        "items": [_ITEM],
        "total": {"amount": "19.90", "currency": "EUR"},
        "placed_at": "2026-01-02T03:04:05+00:00",
    },
}
CANCELLED: dict[str, Any] = copy.deepcopy(CONFIRMED)
CANCELLED["type"] = "order.cancelled.v1"
CANCELLED["data"] |= {"reason": "payment_declined", "charge_attempted": True}
CANCELLED["data"]["items"] = [{"product_id": _ITEM["product_id"], "quantity": 2}]
