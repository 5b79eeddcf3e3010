"""Request and response bodies of the API."""

from __future__ import annotations

from typing import Any

from contracts import text
from contracts.api.serializers import StrictCharField, StrictEmailField, StrictSerializer
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from accounts.models import User

# A longer password adds no strength, and hashing megabytes of input invites denial of service.
MAX_PASSWORD_LENGTH = 128


class SignUpSerializer(StrictSerializer):
    """A new account."""

    email = StrictEmailField()
    password = StrictCharField(
        min_length=10, max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, write_only=True,
        style={"input_type": "password"},
        help_text="10 characters or more, not a common one, and not similar to the address or the name.",
    )  # fmt: skip
    name = StrictCharField(max_length=200, trim_whitespace=False, normalise=text.name)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Apply Django's password validators, which also compare with address and name."""
        try:
            validate_password(attrs["password"], User(email=attrs["email"], name=attrs["name"]))
        except ValidationError as error:
            details = [serializers.ErrorDetail(item.messages[0], code=item.code) for item in error.error_list]
            raise serializers.ValidationError({"password": details}) from None
        return attrs


class CredentialsSerializer(StrictSerializer):
    """Login credentials. Any address and password are accepted as input; wrong ones are answered with 401, not 400."""

    email = StrictCharField(max_length=text.MAX_EMAIL_LENGTH, trim_whitespace=False, printable=False)
    password = StrictCharField(
        max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, printable=False, write_only=True,
        style={"input_type": "password"},
    )  # fmt: skip


class RefreshSerializer(StrictSerializer):
    """A refresh token."""

    refresh = StrictCharField(max_length=4096, trim_whitespace=False)


class TokenPairSerializer(serializers.Serializer[Any]):
    """An access token, and the refresh token that renews it."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)


class UserSerializer(serializers.ModelSerializer[User]):
    """An account as returned to its owner."""

    class Meta:
        model = User
        fields = ["id", "email", "name"]
        read_only_fields = fields


class InternalUserSerializer(serializers.ModelSerializer[User]):
    """An account as returned to other services."""

    class Meta:
        model = User
        fields = ["id", "email", "name", "is_active"]
        read_only_fields = fields


class JwkSerializer(serializers.Serializer[Any]):
    """An RSA public key (RFC 7517)."""

    kty = serializers.CharField()
    n = serializers.CharField()
    e = serializers.CharField()
    kid = serializers.CharField(help_text="RFC 7638 thumbprint.")
    use = serializers.CharField()
    alg = serializers.CharField()


class JwksSerializer(serializers.Serializer[Any]):
    """The public keys that verify access tokens."""

    keys = JwkSerializer(many=True)
