"""Events between services: CloudEvents 1.0 envelopes, their JSON Schemas, and the broker topology."""

from contracts.events.envelope import INVALID_REASONS, InvalidEvent, decode, encode, new_event
from contracts.events.topology import (
    DEAD_LETTER_EXCHANGE,
    DELIVERY_LIMIT,
    EVENT_EXCHANGE,
    QUEUES,
    Queue,
    declare_topology,
    queue_named,
)

ORDER_CONFIRMED = "order.confirmed.v1"
ORDER_CANCELLED = "order.cancelled.v1"

__all__ = [
    "DEAD_LETTER_EXCHANGE",
    "DELIVERY_LIMIT",
    "EVENT_EXCHANGE",
    "INVALID_REASONS",
    "ORDER_CANCELLED",
    "ORDER_CONFIRMED",
    "QUEUES",
    "InvalidEvent",
    "Queue",
    "declare_topology",
    "decode",
    "encode",
    "new_event",
    "queue_named",
]
