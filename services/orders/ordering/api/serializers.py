"""Request and response bodies of the orders API."""

from __future__ import annotations

from typing import Any

from contracts.api.serializers import (
    MoneyField,
    ProblemSerializer,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)
from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ordering.models import MAX_ITEMS, MAX_QUANTITY, Order, OrderItem, OrderStatus, Reason
from ordering.placement import Line


class NewOrderItemSerializer(StrictSerializer):
    """A quantity of one product."""

    product_id = StrictUUIDField()
    quantity = StrictIntegerField(min_value=1, max_value=MAX_QUANTITY)


class NewOrderSerializer(StrictSerializer):
    """The body of POST /api/v1/orders."""

    items = serializers.ListField(child=NewOrderItemSerializer(), min_length=1, max_length=MAX_ITEMS)
    payment_token = StrictCharField(
        max_length=64, trim_whitespace=False, validators=[RegexValidator(r"^tok_[a-z_]+\Z")]
    )

    def validate_items(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Reject duplicate products: two lines of one product are more likely a mistake than intended."""
        ids = [item["product_id"] for item in items]
        if len(set(ids)) != len(ids):
            raise serializers.ValidationError("A product stands here twice.", code="duplicate")
        return items

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return the validated items."""
        return tuple(Line(item["product_id"], item["quantity"]) for item in self.validated_data["items"])


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "properties": {
            "amount": {"type": "string", "pattern": r"^\d+\.\d{2}$", "example": "19.90"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "example": "EUR"},
        },
        "required": ["amount", "currency"],
    }
)
class OptionalMoneyField(MoneyField):
    """Money that may be unknown (null): an order has no prices before its stock is reserved."""

    def to_representation(self, value: Any) -> Any:
        """Return money, or None."""
        return None if getattr(value, self.attribute) is None else super().to_representation(value)


class OrderItemSerializer(serializers.ModelSerializer[OrderItem]):
    """One product of an order; `sku`, `name` and `unit_price` are empty in an order that never got its stock."""

    unit_price = OptionalMoneyField("unit_price")

    class Meta:
        model = OrderItem
        fields = ["product_id", "sku", "name", "quantity", "unit_price"]


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order as returned to its owner."""

    status = serializers.ChoiceField(OrderStatus.choices, read_only=True)
    reason = serializers.SerializerMethodField(help_text="Why it was cancelled; null when it wasn't.")
    items = OrderItemSerializer(many=True, read_only=True)
    total = OptionalMoneyField("total")

    class Meta:
        model = Order
        fields = ["id", "status", "reason", "items", "total", "created_at"]

    @extend_schema_field(serializers.ChoiceField(Reason.choices, allow_null=True))
    def get_reason(self, order: Order) -> str | None:
        """Return the reason, or None."""
        return order.reason or None


class ConflictSerializer(ProblemSerializer):
    """409: `out_of_stock` with the products, or `request_in_progress`."""

    order_id = serializers.UUIDField(required=False)
    product_ids = serializers.ListField(child=serializers.UUIDField(), required=False)


class DeclinedSerializer(ProblemSerializer):
    """402: `card_declined` or `insufficient_funds`."""

    order_id = serializers.UUIDField()


class UnavailableSerializer(ProblemSerializer):
    """502, 503: names the dependency that failed. The same request may be sent again with the same key."""

    dependency = serializers.CharField(required=False)
