"""What the consumer does with a confirmed order: records it, once."""

from __future__ import annotations

import logging

from contracts.events import INVALID_REASONS, ORDER_CONFIRMED, InvalidEvent, decode, queue_named
from django_telemetry.amqp import Message, Reject

from newapp import domain

logger = logging.getLogger(__name__)

QUEUE = queue_named("newservice.orders")
UNEXPECTED_TYPE = "unexpected_type"
REJECT_REASONS = (*INVALID_REASONS, UNEXPECTED_TYPE)


def handle(message: Message) -> None:
    """Record the event's order.

    Raises Reject for what can never succeed; any other exception puts the message back, after a pause.
    """
    try:
        event = decode(message.body)
    except InvalidEvent as error:
        logger.warning("Not a valid event: %s", error, extra={"reason": error.reason})
        raise Reject(error.reason) from None
    if event["type"] != ORDER_CONFIRMED:
        raise Reject(UNEXPECTED_TYPE)
    domain.record(event)
