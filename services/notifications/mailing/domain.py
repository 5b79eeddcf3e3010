"""One mail per event, at least once.

A mail and a row can't share a transaction: something is lost or duplicated when the process dies between the two. This
code never loses a mail, and keeps the window for a duplicate as short as possible:

- the row is inserted first, but not committed: database failures happen before the mail is sent, and another consumer
  with the same event waits at the unique event id until this one is done;
- then the mail is sent, and the commit follows at once. Only a process that dies between the server's "250" and the end
  of the commit sends twice, and the second mail has the same Message-ID;
- the connection to the mail server is opened before the transaction and closed after it.

Committing first and sending afterwards would be at most once: a missing mail about money is worse than a duplicate.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events import ORDER_CANCELLED, ORDER_CONFIRMED
from django.db import transaction
from django.utils import timezone

from mailing import mails, metrics
from mailing.models import Kind, Notification

logger = logging.getLogger(__name__)

KINDS = {ORDER_CONFIRMED: Kind.ORDER_CONFIRMED, ORDER_CANCELLED: Kind.ORDER_CANCELLED}


def notify(event: Mapping[str, Any], trace_id: str) -> bool:
    """Send the mail for a valid event, unless it was sent before. Returns whether it was sent now.

    Raises mails.MailRefused (final) and mails.MailUnavailable (retry).
    """
    event_id = UUID(event["id"])
    data = event["data"]
    kind = KINDS[event["type"]]
    about = {"order.id": data["order_id"], "notification.kind": str(kind)}
    if Notification.objects.filter(event_id=event_id).exists():
        logger.info("The mail of this event was sent before", extra=about)
        return False
    mail = mails.compose(event, kind, trace_id)
    notification = Notification(
        event_id=event_id,
        order_id=UUID(data["order_id"]),
        user_id=UUID(data["customer"]["id"]),
        kind=kind,
        recipient=mail.to[0],
        subject=str(mail.subject),
        trace_id=trace_id,
    )
    with mails.connection() as backend, transaction.atomic():
        if not _first(notification):
            logger.info("Another consumer sent the mail of this event", extra=about)
            return False
        mails.hand_over(mail, backend)
    metrics.mails_sent_total.labels(kind).inc()
    metrics.order_mail_delay_seconds.observe(_seconds_since(event["time"]))
    logger.info("Mail sent", extra=about)
    return True


def _first(notification: Notification) -> bool:
    """Insert the row; waits for a concurrent transaction with the same event. Returns False when that one committed."""
    notification.sent_at = timezone.now()
    Notification.objects.bulk_create([notification], ignore_conflicts=True)
    return Notification.objects.filter(pk=notification.pk).exists()


def _seconds_since(moment: str) -> float:
    """Return the seconds since an event's time, at least 0 because the clocks of two machines may differ."""
    return max(0.0, (timezone.now() - datetime.fromisoformat(moment)).total_seconds())
