"""The outbox: events are written with what they tell of, in one transaction, and published by the relay afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from ordering.models import OutboxEvent

# The relay listens on this channel of the database.
CHANNEL = "outbox"


def add(event: Mapping[str, Any], carrier: Mapping[str, str]) -> None:
    """Write `event` to be published inside the trace that `carrier` names. Only inside a transaction."""
    OutboxEvent.objects.create(id=event["id"], type=event["type"], body=event, carrier=carrier)
    with connection.cursor() as cursor:
        # Delivered when the transaction commits, never before.
        cursor.execute(f"NOTIFY {CHANNEL}")
