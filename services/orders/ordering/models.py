"""Orders, the answers kept for idempotency keys, and the outbox."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

MAX_ITEMS = 50
MAX_QUANTITY = 100
MAX_NAME = 150


class OrderStatus(models.TextChoices):
    """The state of an order. Confirmed and cancelled are final."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Reason(models.TextChoices):
    """Why an order was cancelled. `..._invalid`: the dependency's answer violated the contract.

    The order.cancelled.v1 event has fewer reasons (ordering/events.py).
    """

    PAYMENT_DECLINED = "payment_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    PAYMENT_UNAVAILABLE = "payment_unavailable"
    OUT_OF_STOCK = "out_of_stock"
    INVENTORY_UNAVAILABLE = "inventory_unavailable"
    USERS_UNAVAILABLE = "users_unavailable"
    PAYMENT_INVALID = "payment_invalid"
    INVENTORY_INVALID = "inventory_invalid"
    USERS_INVALID = "users_invalid"
    INTERRUPTED = "interrupted"


class Order(models.Model):
    """A user's order. E-mail and name are those at the time of the order; prices those of the reservation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField()
    customer_email = models.CharField(max_length=254, blank=True)
    customer_name = models.CharField(max_length=MAX_NAME, blank=True)
    status = models.CharField(max_length=16, choices=OrderStatus.choices, default=OrderStatus.PENDING)
    reason = models.CharField(max_length=32, choices=Reason.choices, blank=True)
    total = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    currency = models.CharField(max_length=3, blank=True)
    payment_id = models.CharField(max_length=64, blank=True, help_text="The charge's id at payments.")
    # Written before the charge is sent: the reconciler then knows that an interrupted order may have a charge.
    charge_attempted = models.BooleanField(default=False)
    # Stock that this cancelled order may still hold; the reconciler releases it.
    stock_release_pending = models.BooleanField(default=False)
    carrier = models.JSONField(default=dict, help_text="Trace context and request id of the request that placed it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=OrderStatus.values), name="order_status_known"),
            models.CheckConstraint(condition=Q(reason__in=["", *Reason.values]), name="order_reason_known"),
            models.CheckConstraint(
                condition=(Q(status=OrderStatus.CANCELLED) & ~Q(reason=""))
                | (~Q(status=OrderStatus.CANCELLED) & Q(reason="")),
                name="order_reason_iff_cancelled",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.CONFIRMED)
                | (
                    Q(total__isnull=False, charge_attempted=True, stock_release_pending=False)
                    & ~Q(currency="")
                    & ~Q(payment_id="")
                    & ~Q(customer_email="")
                ),
                name="order_confirmed_complete",
            ),
            models.CheckConstraint(condition=Q(total__isnull=True) | Q(total__gte=0), name="order_total_not_negative"),
        ]
        indexes = [
            # The list of a user's own orders, newest first.
            models.Index(F("user_id"), F("created_at").desc(), F("id"), name="order_of_user"),
            # The reconciler's two queries; both indexes are nearly empty.
            models.Index(fields=["created_at"], condition=Q(status=OrderStatus.PENDING), name="order_pending"),
            models.Index(fields=["updated_at"], condition=Q(stock_release_pending=True), name="order_stock_release"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class OrderItem(models.Model):
    """One product of an order. Name, SKU and price are unknown until the stock is reserved."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items")
    product_id = models.UUIDField()
    quantity = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=200, blank=True)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "product_id"], name="item_product_once"),
            models.CheckConstraint(condition=Q(quantity__range=(1, MAX_QUANTITY)), name="item_quantity_in_range"),
            models.CheckConstraint(
                condition=Q(unit_price__isnull=True) | Q(unit_price__gte=Decimal(0)), name="item_price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku or self.product_id}"

    @property
    def currency(self) -> str:
        """The order's currency."""
        return self.order.currency


class KeyState(models.TextChoices):
    """The state of an idempotency key: in progress, answered permanently, or failed and free for a retry."""

    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"
    RETRYABLE = "retryable"


class IdempotencyKey(models.Model):
    """A user's key for one order: the request and its answer."""

    id = models.BigAutoField(primary_key=True)
    user_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the request's content.")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="idempotency_keys")
    state = models.CharField(max_length=16, choices=KeyState.choices, default=KeyState.IN_PROGRESS)
    response_status = models.PositiveSmallIntegerField(null=True)
    # Text, not jsonb: the answer is returned exactly as it was, with its members in the same order.
    response_body = models.TextField(null=True, help_text="JSON.")  # noqa: DJ001  (no answer is not an empty one)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "key"], name="idempotency_key_once"),
            models.CheckConstraint(condition=Q(state__in=KeyState.values), name="idempotency_key_state_known"),
            models.CheckConstraint(
                condition=Q(state=KeyState.ANSWERED, response_status__isnull=False, response_body__isnull=False)
                | (~Q(state=KeyState.ANSWERED) & Q(response_status__isnull=True, response_body__isnull=True)),
                name="idempotency_key_answer_iff_answered",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.key[:16]} ({self.state})"


class OutboxEvent(models.Model):
    """An event to publish, written in the transaction that it describes. The id is the event's id."""

    id = models.UUIDField(primary_key=True, editable=False)
    type = models.CharField(max_length=64)
    body = models.JSONField()
    carrier = models.JSONField(default=dict, help_text="Trace context and request id to publish it with.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    published_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], condition=Q(published_at__isnull=True), name="outbox_unpublished"),
            models.Index(fields=["published_at"], condition=Q(published_at__isnull=False), name="outbox_published"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
