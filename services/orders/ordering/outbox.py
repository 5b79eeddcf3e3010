"""The outbox: events are written in the transaction that they describe, and published by the relay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from ordering.models import OutboxEvent

# The relay listens on this database channel.
CHANNEL = "outbox"


def add(event: Mapping[str, Any], carrier: Mapping[str, str]) -> None:
    """Store `event` for publication in the trace that `carrier` names. Requires an open transaction."""
    OutboxEvent.objects.create(id=event["id"], type=event["type"], body=event, carrier=carrier)
    with connection.cursor() as cursor:
        # Delivered when the transaction commits, never before.
        cursor.execute(f"NOTIFY {CHANNEL}")
