"""The rules: each confirmed order is recorded once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from newapp import metrics
from newapp.models import Record

logger = logging.getLogger(__name__)


def record(event: Mapping[str, Any]) -> bool:
    """Record the order of a valid event. False when this event was recorded before."""
    data = event["data"]
    _, is_new = Record.objects.get_or_create(
        event_id=UUID(event["id"]),
        defaults={"order_id": UUID(data["order_id"]), "user_id": UUID(data["customer"]["id"])},
    )
    metrics.newservice_records_total.labels(metrics.RECORDED if is_new else metrics.DUPLICATE).inc()
    logger.info("Order recorded" if is_new else "Order was recorded before", extra={"order.id": data["order_id"]})
    return is_new
