"""Response bodies of the API."""

from __future__ import annotations

from contracts.api.serializers import MoneyField
from rest_framework import serializers

from stock.models import Product


class ProductSerializer(serializers.ModelSerializer[Product]):
    """A product. `available` is the quantity that can be ordered now."""

    price = MoneyField("price")

    class Meta:
        model = Product
        fields = ["id", "sku", "name", "price", "available"]
        read_only_fields = fields
