"""What the consumer does with a cancelled order: voids its charge, once."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from uuid import UUID

from contracts.events import INVALID_REASONS, ORDER_CANCELLED, InvalidEvent, decode, queue_named
from django.db import OperationalError
from django_telemetry.amqp import Message, Reject

from charging import domain
from charging.clients import CardProvider, ProviderUnavailable, RefundRefused
from charging.models import InboxEvent

logger = logging.getLogger(__name__)

QUEUE = queue_named("payments.order-cancelled")

# The broker delivers soon again, and five times in all: without longer pauses a provider that is away for a second
# would cost the message its place. With them the five deliveries span about half a minute.
PAUSE_SECONDS = (1.0, 2.0, 4.0, 8.0)
REJECT_REASONS = (*INVALID_REASONS, "unexpected_type", "refund_refused")


class OrderCancelledHandler:
    """Handles messages of payments.order-cancelled. Called by one thread at a time."""

    def __init__(self, provider: CardProvider, pause: Callable[[float], object] = time.sleep) -> None:
        self._provider = provider
        self._pause = pause

    def __call__(self, message: Message) -> None:
        """Void the order's charge.

        Raises Reject for what can never succeed; any other exception puts the message back, after a pause.
        """
        try:
            self._handle(message.body)
        except (ProviderUnavailable, OperationalError):
            self._wait(message.delivery_count)
            raise

    def _handle(self, body: bytes) -> None:
        try:
            event = decode(body)
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

    def _wait(self, delivery_count: int) -> None:
        """Wait before the message goes back; not at the last delivery, after which it goes to the dead letters."""
        if delivery_count < len(PAUSE_SECONDS):
            # Jitter, so that consumers which failed together don't come back together.
            self._pause(PAUSE_SECONDS[delivery_count] * random.uniform(0.75, 1.25))  # noqa: S311
