"""What the consumer does with an event about an order: sends its mail, once."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from contracts.events import INVALID_REASONS, InvalidEvent, decode, queue_named
from django.db import OperationalError
from django_telemetry import context
from django_telemetry.amqp import Message, Reject

from mailing import domain, metrics
from mailing.mails import REFUSALS, MailRefused, MailUnavailable

logger = logging.getLogger(__name__)

QUEUE = queue_named("notifications.orders")

# The broker delivers soon again, and five times in all: without longer pauses a mail server that is away for a second
# would cost the message its place. With them the five deliveries span about half a minute.
PAUSE_SECONDS = (1.0, 2.0, 4.0, 8.0)
REJECT_REASONS = (*INVALID_REASONS, "unexpected_type", *REFUSALS)


class OrderEventHandler:
    """Handles messages of notifications.orders. Called by one thread at a time."""

    def __init__(self, pause: Callable[[float], object] = time.sleep) -> None:
        self._pause = pause

    def __call__(self, message: Message) -> None:
        """Send the event's mail.

        Raises Reject for what can never succeed; any other exception puts the message back, after a pause.
        """
        try:
            self._handle(message.body)
        except MailUnavailable:
            metrics.mails_failed_total.labels("unavailable").inc()
            self._wait(message.delivery_count)
            raise
        except OperationalError:
            self._wait(message.delivery_count)
            raise

    def _handle(self, body: bytes) -> None:
        try:
            event = decode(body)
        except InvalidEvent as error:
            metrics.mails_failed_total.labels("invalid_event").inc()
            logger.warning("Not a valid event: %s", error, extra={"reason": error.reason})
            raise Reject(error.reason) from None
        if event["type"] not in domain.KINDS:
            # A type that the contract has, and that binds here, but that nobody wrote a mail for.
            metrics.mails_failed_total.labels("invalid_event").inc()
            raise Reject("unexpected_type")
        ids = context.trace_ids()
        try:
            domain.notify(event, ids[0] if ids else "")
        except MailRefused as error:
            metrics.mails_failed_total.labels(error.reason).inc()
            logger.warning("Mail refused", extra={"reason": error.reason, "order.id": event["data"]["order_id"]})
            raise Reject(error.reason) from None

    def _wait(self, delivery_count: int) -> None:
        """Wait before the message goes back; not at the last delivery, after which it goes to the dead letters."""
        if delivery_count < len(PAUSE_SECONDS):
            # Jitter, so that consumers which failed together don't come back together.
            self._pause(PAUSE_SECONDS[delivery_count] * random.uniform(0.75, 1.25))  # noqa: S311
