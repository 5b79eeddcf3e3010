"""Serializers that accept exactly the schema: unknown members and values of another type are errors."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contracts import text

CENT = Decimal("0.01")


class StrictCharField(serializers.CharField):
    """A string of printable characters; numbers and booleans are not coerced.

    `normalise` returns the normal form or raises text.InvalidText. Validators and limits apply to the normal form.
    `printable=False` is for values that are only compared with stored ones.
    """

    def __init__(self, *, normalise: Callable[[str], str] | None = None, printable: bool = True, **kwargs: Any) -> None:
        self.normalise = normalise
        self.printable = printable
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Reject values that aren't JSON strings or that contain control, separator or bidirectional characters."""
        if not isinstance(data, str):
            self.fail("invalid")
        value = super().to_internal_value(data)
        try:
            normal = self.normalise(value) if self.normalise else value
        except text.InvalidText as error:
            raise serializers.ValidationError(str(error), code="invalid") from None
        # The framework's own validator refuses NUL, with a code of its own.
        if self.printable and "\0" not in normal and not text.is_printable(normal):
            raise serializers.ValidationError("Control and separator characters are not allowed.", code="invalid")
        return normal


class StrictUUIDField(serializers.UUIDField):
    """A UUID as a JSON string; integers are not coerced."""

    def to_internal_value(self, data: Any) -> Any:
        """Reject values that aren't JSON strings."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "format": "email", "maxLength": text.MAX_EMAIL_LENGTH})
class StrictEmailField(StrictCharField):
    """An e-mail address as a JSON string, in its normal form (text.email)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(normalise=text.email, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Name an address that is too long as such."""
        if isinstance(data, str) and len(data) > text.MAX_EMAIL_LENGTH:
            message = f"Ensure this field has no more than {text.MAX_EMAIL_LENGTH} characters."
            raise serializers.ValidationError(message, code="max_length")
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """An integer; "5", 5.0 and true are not coerced."""

    def to_internal_value(self, data: Any) -> int:
        """Reject values that aren't JSON integers."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects unknown members."""

    def to_internal_value(self, data: Any) -> Any:
        """Fail with code `unknown_field` for each unknown member, together with the other errors."""
        errors: dict[str, Any] = {}
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            for name in sorted(set(data) - writable):
                errors[name[:100]] = [serializers.ErrorDetail("This field is not known.", code="unknown_field")]
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
            raise serializers.ValidationError({**detail, **errors}) from None
        if errors:
            raise serializers.ValidationError(errors)
        return value


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "amount": {"type": "string", "pattern": r"^\d+\.\d{2}$", "example": "19.90"},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "example": "EUR"},
        },
        "required": ["amount", "currency"],
    }
)
class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """Read-only {amount, currency}: amount as a decimal string. Reads `<source>` and the instance's `currency`.

    Use with `source="*"` and the attribute's name: `MoneyField("total")`.
    """

    def __init__(self, attribute: str, **kwargs: Any) -> None:
        self.attribute = attribute
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> dict[str, str]:
        """Return the amount with two decimal places, and its currency."""
        return money(getattr(value, self.attribute), value.currency)


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Return an amount in its wire format: {"amount": "19.90", "currency": "EUR"}."""
    return {"amount": str(amount.quantize(CENT)), "currency": currency}


class ProblemSerializer(serializers.Serializer[Any]):
    """The format of every error response (RFC 9457), for the OpenAPI schema."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    trace_id = serializers.CharField()
    request_id = serializers.CharField()
    # The base class has a property of that name; here it is a member of the response.
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(child=serializers.CharField()), required=False
    )
