"""Charges an order at most once and refunds it, with every interruption in between accounted for.

A charge is `pending` from before the call to the provider until its answer is known. No transaction and no lock is held
during the call. `claimed_until` keeps concurrent requests apart, and sending the provider the same idempotency key each
time prevents a double charge. Every later change is conditional on the status that it replaces.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from charging import metrics
from charging.clients import (
    Cancellation,
    Captured,
    CardProvider,
    ChargeAnswer,
    Declined,
    InvalidSource,
    KeyCancelled,
    ProviderUnavailable,
    RefundRefused,
)
from charging.models import Charge, InboxEvent, Status

logger = logging.getLogger(__name__)

# Longer than the provider client takes with its retry; an older claim belongs to a process that died.
CLAIM = timedelta(seconds=10)


class KeyReused(Exception):
    """The idempotency key was used before with another request."""


class InProgress(Exception):
    """Another request with this key is calling the provider."""


class OrderCancelled(Exception):
    """The order was cancelled; it can no longer be charged."""


class OrderAlreadyCharged(Exception):
    """The order already has a charge, under another idempotency key."""


@dataclass(frozen=True)
class ChargeRequest:
    """A requested charge."""

    order_id: UUID
    amount: Decimal
    currency: str
    payment_token: str = field(repr=False)
    idempotency_key: str

    @property
    def fingerprint(self) -> str:
        """Return a hash that is equal for equal requests."""
        members = [str(self.order_id), str(self.amount), self.currency, self.payment_token]
        return hashlib.sha256(json.dumps(members).encode()).hexdigest()


@dataclass(frozen=True)
class Receipt:
    """The event that caused a change; stored together with the change."""

    event_id: UUID
    type: str


@dataclass(frozen=True)
class ChargeResult:
    """The charge, and whether it was known before this request."""

    charge: Charge
    replayed: bool


def charge(request: ChargeRequest, provider: CardProvider) -> ChargeResult:
    """Charge the order once; the same key gets the same result.

    The result's status is captured, declined or failed. Raises KeyReused, InProgress, OrderCancelled,
    OrderAlreadyCharged; ProviderUnavailable leaves the charge pending, and a repetition calls the provider again.
    """
    row = _claim(request)
    if row.status == Status.PENDING:
        try:
            answer = provider.charge(request.idempotency_key, request.amount, request.currency, request.payment_token)
        except ProviderUnavailable as error:
            _release(row)
            metrics.payments_total.labels("unavailable").inc()
            logger.warning("Charge left pending: %s", error, extra=_about(row))
            raise
        result = ChargeResult(_settle(row, answer), replayed=False)
    else:
        result = ChargeResult(row, replayed=True)
    if result.charge.status == Status.VOIDED:
        raise OrderCancelled
    return result


def void(order_id: UUID, provider: CardProvider, *, receipt: Receipt | None = None) -> Charge:
    """Ensure that no money is taken for the order, now or later. Idempotent.

    A captured charge is refunded; a pending one is cancelled at the provider by its key, whatever its result there; an
    order without a charge gets a tombstone that refuses a late one; a declined charge stays unchanged.
    `receipt` is stored in one transaction with the change. Raises ProviderUnavailable (retry) and RefundRefused
    (needs an operator).
    """
    with transaction.atomic():
        tombstone = Charge(order_id=order_id, status=Status.VOIDED)
        Charge.objects.bulk_create([tombstone], ignore_conflicts=True)
        row = Charge.objects.get(order_id=order_id)
        open_or_taken = row.status in {Status.PENDING, Status.CAPTURED}
        if not open_or_taken:
            _keep(receipt)
    if not open_or_taken:
        return _voided(row, _outcome_without_provider(row, tombstone))
    try:
        if row.status == Status.CAPTURED:
            provider.refund(row.provider_ref)
            cancellation = Cancellation("refunded")
        else:
            cancellation = provider.cancel(str(row.idempotency_key))
    except ProviderUnavailable:
        metrics.voids_total.labels("unavailable").inc()
        raise
    except RefundRefused as error:
        metrics.voids_total.labels("refused").inc()
        logger.error("The provider refuses to give a charge back: %s", error.code, extra=_about(row))
        raise
    changes = _changes(Declined(cancellation.decline_code)) if cancellation.decline_code else {"status": Status.VOIDED}
    with transaction.atomic():
        # The charge's own request may have settled it meanwhile; the provider received the cancellation after that.
        _update(row, changes, Status.PENDING, Status.CAPTURED)
        _keep(receipt)
    return _voided(row, "nothing_taken" if cancellation.decline_code else cancellation.status)


def _claim(request: ChargeRequest) -> Charge:
    """Return the order's charge: already settled, or pending and claimed for this request."""
    now = timezone.now()
    new = Charge(
        order_id=request.order_id,
        amount=request.amount,
        currency=request.currency,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        claimed_until=now + CLAIM,
    )
    with transaction.atomic():
        Charge.objects.bulk_create([new], ignore_conflicts=True)
        row = Charge.objects.select_for_update().filter(idempotency_key=request.idempotency_key).first()
        if row is None:
            # The insert conflicted with the order's own row, under another key or none.
            other = Charge.objects.get(order_id=request.order_id)
            raise OrderCancelled if other.status == Status.VOIDED else OrderAlreadyCharged
        if row.fingerprint != request.fingerprint:
            raise KeyReused
        if row.pk == new.pk or row.status != Status.PENDING:
            return row
        if row.claimed_until is not None and row.claimed_until > now:
            raise InProgress
        row.claimed_until = now + CLAIM
        row.save(update_fields=["claimed_until", "updated_at"])
        return row


def _release(row: Charge) -> None:
    """Release the claim, if this request still holds it."""
    Charge.objects.filter(pk=row.pk, claimed_until=row.claimed_until).update(claimed_until=None)


def _settle(row: Charge, answer: ChargeAnswer) -> Charge:
    """Store the result of the charge, unless a void was faster: then the void stays."""
    changes = _changes(answer)
    if _update(row, changes, Status.PENDING):
        outcome = "cancelled" if row.status == Status.VOIDED else str(row.status)
        metrics.payments_total.labels(outcome).inc()
        if row.decline_code:
            metrics.count_decline(row.decline_code)
        logger.info("Charge %s", outcome, extra=_about(row))
    return row


def _changes(answer: ChargeAnswer) -> Mapping[str, Any]:
    match answer:
        case Captured(reference):
            return {"status": Status.CAPTURED, "provider_ref": reference}
        case Declined(code):
            return {"status": Status.DECLINED, "decline_code": code}
        case InvalidSource():
            return {"status": Status.FAILED, "decline_code": "invalid_source"}
        case KeyCancelled():
            return {"status": Status.VOIDED}


def _update(row: Charge, changes: Mapping[str, Any], *expected: Status) -> bool:
    """Apply `changes` if the row has one of the expected statuses, and refresh it. Returns whether it did."""
    done = Charge.objects.filter(pk=row.pk, status__in=expected).update(
        **changes, claimed_until=None, updated_at=timezone.now()
    )
    row.refresh_from_db()
    return bool(done)


def _keep(receipt: Receipt | None) -> None:
    if receipt is not None:
        event = InboxEvent(event_id=receipt.event_id, type=receipt.type)
        # Two consumers may have received the event concurrently; both have the same effect.
        InboxEvent.objects.bulk_create([event], ignore_conflicts=True)


def _outcome_without_provider(row: Charge, tombstone: Charge) -> str:
    if row.pk == tombstone.pk:
        return "recorded"
    return "repeated" if row.status == Status.VOIDED else "nothing_taken"


def _voided(row: Charge, outcome: str) -> Charge:
    metrics.voids_total.labels(outcome).inc()
    logger.info("Void: %s", outcome, extra=_about(row))
    return row


def _about(row: Charge) -> dict[str, str]:
    return {"order.id": str(row.order_id), "charge.id": str(row.id), "charge.status": str(row.status)}
