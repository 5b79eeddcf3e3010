"""Consumes cancelled orders: voids the charge of each, once."""

from __future__ import annotations

import logging
from uuid import UUID

from contracts.events import INVALID_REASONS, ORDER_CANCELLED, InvalidEvent, decode, queue_named
from django_telemetry.amqp import Message, Reject

from charging import domain
from charging.clients import CardProvider, RefundRefused
from charging.models import InboxEvent

logger = logging.getLogger(__name__)

QUEUE = queue_named("payments.order-cancelled")

REJECT_REASONS = (*INVALID_REASONS, "unexpected_type", "refund_refused")


class OrderCancelledHandler:
    """Handles messages of payments.order-cancelled. Called by one thread at a time."""

    def __init__(self, provider: CardProvider) -> None:
        self._provider = provider

    def __call__(self, message: Message) -> None:
        """Void the order's charge.

        Raises Reject for permanent failures; any other exception requeues the message after a pause.
        """
        try:
            event = decode(message.body)
        except InvalidEvent as error:
            logger.warning("Not a valid event: %s", error, extra={"reason": error.reason})
            raise Reject(error.reason) from None
        if event["type"] != ORDER_CANCELLED:
            raise Reject("unexpected_type")
        receipt = domain.Receipt(UUID(event["id"]), event["type"])
        order_id = event["data"]["order_id"]
        if InboxEvent.objects.filter(event_id=receipt.event_id).exists():
            logger.info("This event was handled before", extra={"order.id": order_id})
            return
        try:
            domain.void(UUID(order_id), self._provider, receipt=receipt)
        except RefundRefused:
            raise Reject("refund_refused") from None
