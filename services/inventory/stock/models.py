"""Products and the reservations of their stock."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

MAX_QUANTITY = 100


class Product(models.Model):
    """A product for sale. `available` is the stock that is neither reserved nor sold."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    available = models.IntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # The last safeguard against overselling: whatever the code does, stock never drops below 0.
            models.CheckConstraint(condition=models.Q(available__gte=0), name="product_available_is_not_negative"),
            models.CheckConstraint(condition=models.Q(price__gte=0), name="product_price_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(currency__regex="^[A-Z]{3}$"), name="product_currency_is_iso_4217"
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "id"], name="product_by_age")]

    def __str__(self) -> str:
        return self.sku


class ReservationStatus(models.TextChoices):
    """Held until it expires. Committed, released and expired are final, except that committed stock can be released."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


class Reservation(models.Model):
    """Stock taken out of `available` for one order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order_id = models.UUIDField(unique=True)
    status = models.CharField(max_length=9, choices=ReservationStatus.choices, default=ReservationStatus.HELD)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ReservationStatus.values), name="reservation_status_is_known"
            ),
        ]
        indexes = [
            # Stays small regardless of the number of orders: the sweep reads this index.
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status=ReservationStatus.HELD),
                name="reservation_held_by_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.status}"


class ReservationItem(models.Model):
    """One product of a reservation, at its price at that time."""

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reservation", "product"], name="reservation_has_a_product_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="reservation_quantity_is_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"
