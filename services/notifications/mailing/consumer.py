"""Consumes order events: sends the mail of each, once."""

from __future__ import annotations

import logging

from contracts.events import INVALID_REASONS, InvalidEvent, decode, queue_named
from django_telemetry import context
from django_telemetry.amqp import Message, Reject

from mailing import domain, metrics
from mailing.mails import REFUSALS, MailRefused, MailUnavailable

logger = logging.getLogger(__name__)

QUEUE = queue_named("notifications.orders")

REJECT_REASONS = (*INVALID_REASONS, "unexpected_type", *REFUSALS)


class OrderEventHandler:
    """Handles messages of notifications.orders. Called by one thread at a time."""

    def __call__(self, message: Message) -> None:
        """Send the event's mail.

        Raises Reject for permanent failures; any other exception requeues the message after a pause.
        """
        try:
            self._handle(message.body)
        except MailUnavailable:
            metrics.mails_failed_total.labels("unavailable").inc()
            raise

    def _handle(self, body: bytes) -> None:
        try:
            event = decode(body)
        except InvalidEvent as error:
            metrics.mails_failed_total.labels("invalid_event").inc()
            logger.warning("Not a valid event: %s", error, extra={"reason": error.reason})
            raise Reject(error.reason) from None
        if event["type"] not in domain.KINDS:
            # A type of the contract that is bound to this queue but has no mail.
            metrics.mails_failed_total.labels("invalid_event").inc()
            raise Reject("unexpected_type")
        ids = context.trace_ids()
        try:
            domain.notify(event, ids[0] if ids else "")
        except MailRefused as error:
            metrics.mails_failed_total.labels(error.reason).inc()
            logger.warning("Mail refused", extra={"reason": error.reason, "order.id": event["data"]["order_id"]})
            raise Reject(error.reason) from None
