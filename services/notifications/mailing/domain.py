"""One mail for each event, at least once.

A mail and a row can't be one transaction: something is lost or doubled when the process dies between the two. Here the
mail is never lost, and the moment in which it can be doubled is as short as it gets:

- the row is written first, but not committed: what could fail in the database has failed before the mail goes out, and
  another consumer with the same event waits at the unique event id until this one is through;
- then the mail is handed over, then the commit follows at once. Only who dies between the server's "250" and the end
  of the commit sends twice, and the second mail has the same Message-ID;
- connecting to the mail server comes before the transaction, saying goodbye after it.

Recording first and sending then would make it at most once: a mail about money that is silently missing is worse than
one that comes twice.
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
    """Send the mail that a valid event asks for, unless it was sent. Whether it was sent now.

    Raises mails.MailRefused (final) and mails.MailUnavailable (try again).
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
    """Insert the row, waiting for another transaction that has inserted its event. False when that one committed."""
    notification.sent_at = timezone.now()
    Notification.objects.bulk_create([notification], ignore_conflicts=True)
    return Notification.objects.filter(pk=notification.pk).exists()


def _seconds_since(moment: str) -> float:
    """Seconds since an event's time; clocks of two machines may differ, so never below 0."""
    return max(0.0, (timezone.now() - datetime.fromisoformat(moment)).total_seconds())
