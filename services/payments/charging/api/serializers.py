"""Request and response bodies of charges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from contracts.api.serializers import StrictCharField, StrictSerializer, StrictUUIDField
from django.core.validators import RegexValidator
from rest_framework import serializers

from charging.models import Charge, Status


class AmountField(StrictCharField):
    """A positive amount as a decimal string with two places, such as "19.90"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=13, trim_whitespace=False, **kwargs)
        # One digit or more, but not only zeros.
        self.validators.append(
            RegexValidator(r"^(?!0+\.00\Z)[0-9]{1,10}\.[0-9]{2}\Z", 'An amount such as "19.90", above zero.')
        )

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the amount as a Decimal, after checking that the input is a string."""
        value = super().run_validation(data)
        return Decimal(value)


class NewChargeSerializer(StrictSerializer):
    """A requested charge."""

    order_id = StrictUUIDField()
    amount = AmountField()
    currency = StrictCharField(
        trim_whitespace=False, validators=[RegexValidator(r"^[A-Z]{3}\Z", "A currency code such as EUR.")]
    )
    payment_token = StrictCharField(
        trim_whitespace=False, max_length=64, validators=[RegexValidator(r"^tok_[a-z_]+\Z", "A token such as tok_ok.")]
    )


class ChargeSerializer(serializers.ModelSerializer[Charge]):
    """The charge of an order. A void that arrived before any charge has no amount and no currency."""

    status = serializers.ChoiceField(choices=Status.values)
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True, coerce_to_string=True)

    class Meta:
        model = Charge
        fields = ("id", "order_id", "status", "amount", "currency", "decline_code", "created_at")
        read_only_fields = fields
