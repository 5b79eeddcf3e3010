"""AMQP: a publisher that waits for the broker's confirm, and a consumer that doesn't lose messages."""

from __future__ import annotations

from django_telemetry.retries import Backoff

from ._connection import BROKER_FAILURES, broker_failure
from ._consumer import (
    DEAD_LETTER_EXCHANGE,
    MAX_DELIVERIES,
    REASON_HEADER,
    REDELIVERY,
    Consumer,
    Handler,
    Message,
    Reject,
)
from ._publisher import Publisher

__all__ = [
    "BROKER_FAILURES",
    "DEAD_LETTER_EXCHANGE",
    "MAX_DELIVERIES",
    "REASON_HEADER",
    "REDELIVERY",
    "Backoff",
    "Consumer",
    "Handler",
    "Message",
    "Publisher",
    "Reject",
    "broker_failure",
]
