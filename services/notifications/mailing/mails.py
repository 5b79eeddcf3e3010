"""Mails: their content, and their transfer to the mail server."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contracts import text
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from mailing.models import Kind

logger = logging.getLogger(__name__)

_SUBJECTS = {
    Kind.ORDER_CONFIRMED: "Your order {order_id} is confirmed",
    Kind.ORDER_CANCELLED: "Your order {order_id} was cancelled",
}
_REASONS = {
    "payment_declined": "your card was declined",
    "insufficient_funds": "your card has insufficient funds",
    "payment_unavailable": "the payment could not be made",
    "out_of_stock": "a product is out of stock",
    "inventory_unavailable": "the stock could not be reserved",
    "interrupted": "it could not be completed",
}
_PERMANENT = 500


# All reasons of MailRefused.
REFUSALS = ("invalid_recipient", "recipient_refused", "message_refused")


class MailRefused(Exception):
    """The mail is permanently refused. `reason` is one of mailing.metrics.FAILURES."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MailUnavailable(Exception):
    """The mail server can't accept the mail now; a later attempt may succeed."""


def compose(event: Mapping[str, Any], kind: Kind, trace_id: str) -> EmailMessage:
    """Build the mail about an order's event. Raises MailRefused (invalid_recipient) for an impossible address."""
    data = event["data"]
    recipient = data["customer"]["email"]
    try:
        # Stricter than the event's schema: the address is used in a header, and in an SMTP command.
        text.email(recipient)
    except text.InvalidText:
        raise MailRefused("invalid_recipient") from None
    sender = settings.DEFAULT_FROM_EMAIL
    return EmailMessage(
        subject=_SUBJECTS[kind].format(order_id=data["order_id"]),
        body=_text(data, kind),
        from_email=sender,
        to=[recipient],
        headers={
            # The same event always gets the same id, which identifies a mail that was sent twice.
            "Message-ID": f"<{event['id']}@{sender.rpartition('@')[2]}>",
            "X-Order-ID": data["order_id"],
            "X-Trace-ID": trace_id,
            "Auto-Submitted": "auto-generated",
        },
    )


@contextmanager
def connection() -> Iterator[BaseEmailBackend]:
    """Open a connection to the mail server. Raises MailUnavailable.

    Closing it isn't part of sending: a server that doesn't answer QUIT has still accepted the mail.
    """
    backend = get_connection()
    try:
        backend.open()
    except (OSError, smtplib.SMTPException) as error:
        raise MailUnavailable from error
    try:
        yield backend
    finally:
        try:
            backend.close()
        except (OSError, smtplib.SMTPException) as error:
            logger.debug("The mail server's connection didn't end well", exc_info=error)


def hand_over(mail: EmailMessage, backend: BaseEmailBackend) -> None:
    """Send the mail to the server. Raises MailRefused for final refusals, MailUnavailable for temporary ones."""
    try:
        backend.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        if all(code >= _PERMANENT for code, _ in error.recipients.values()):
            raise MailRefused("recipient_refused") from error
        raise MailUnavailable from error
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= _PERMANENT:
            raise MailRefused("message_refused") from error
        raise MailUnavailable from error
    except (OSError, smtplib.SMTPException) as error:
        # A refused sender or login is our own configuration error: once fixed, the mail will be accepted.
        raise MailUnavailable from error


def _text(data: Mapping[str, Any], kind: Kind) -> str:
    lines = [f"Dear {_line(data['customer']['name']) or 'customer'},", ""]
    if kind == Kind.ORDER_CONFIRMED:
        lines.append(f"thank you. Your order {data['order_id']} is confirmed:")
    else:
        lines.append(f"your order {data['order_id']} was cancelled, since {_REASONS[data['reason']]}:")
    lines.append("")
    lines += [_item(item) for item in data["items"]]
    if total := data.get("total"):
        lines += ["", f"Total: {total['amount']} {total['currency']}"]
    if kind == Kind.ORDER_CANCELLED:
        lines += ["", "If anything was charged, it is given back to you."]
    return "\n".join(lines) + "\n"


def _item(item: Mapping[str, Any]) -> str:
    price = f" at {item['unit_price']}" if "unit_price" in item else ""
    return f"  {item['quantity']} x {_line(item.get('name') or item['product_id'])}{price}"


def _line(text: str) -> str:
    """Return the printable text on one line: no control characters, no lone surrogates, which can't be encoded."""
    return "".join(character for character in text if character.isprintable())
