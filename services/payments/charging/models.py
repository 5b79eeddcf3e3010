"""One charge per order, and the inbox of handled events."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Status(models.TextChoices):
    """The status of a charge. Only `pending` is open: its result isn't known yet."""

    PENDING = "pending"
    CAPTURED = "captured"
    DECLINED = "declined"
    FAILED = "failed"
    VOIDED = "voided"


class Charge(models.Model):
    """The one charge of an order.

    A void that arrives before its charge leaves a row too, voided and without an amount: it refuses the late charge.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order_id = models.UUIDField()
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    currency = models.CharField(max_length=3, default="")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    # Why the provider declined; its own code where it isn't a known one.
    decline_code = models.CharField(max_length=64, default="")
    provider_ref = models.CharField(max_length=64, default="")
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001  (unique, and NULL in a tombstone)
    # SHA-256 of the request: detects another request under the same key, without storing the token.
    fingerprint = models.CharField(max_length=64, default="")
    # Until then one request is calling the provider; afterwards, or when NULL, a repetition may call it again.
    claimed_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["order_id"], name="charge_once_for_each_order"),
            models.UniqueConstraint(fields=["idempotency_key"], name="charge_once_for_each_key"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="charge_status_known"),
            models.CheckConstraint(condition=Q(amount__isnull=True) | Q(amount__gt=0), name="charge_amount_positive"),
            models.CheckConstraint(
                condition=Q(status=Status.VOIDED)
                | Q(amount__isnull=False, idempotency_key__isnull=False, currency__regex="^[A-Z]{3}$"),
                name="charge_complete_unless_voided",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.CAPTURED, provider_ref=""), name="charge_captured_has_ref"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[Status.DECLINED, Status.FAILED], decline_code=""),
                name="charge_refused_has_code",
            ),
        )

    def __str__(self) -> str:
        return f"{self.status} charge of order {self.order_id}"


class InboxEvent(models.Model):
    """A handled event, written in one transaction with its effect: its repetition has no effect."""

    event_id = models.UUIDField(primary_key=True)
    type = models.CharField(max_length=100)
    handled_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
