"""What goes in and out of the API."""

from __future__ import annotations

import unicodedata
from typing import Any

from contracts.api.serializers import StrictCharField, StrictEmailField, StrictSerializer
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from accounts.models import User

# Longer passwords add nothing, and hashing megabytes would be a gift to attackers.
MAX_PASSWORD_LENGTH = 128


def _is_printable_name(value: str) -> None:
    """A name ends up in mail headers: no control characters, nothing invisible around it."""
    if value != value.strip() or any(unicodedata.category(character) == "Cc" for character in value):
        raise serializers.ValidationError("A name has no control characters and no blanks around it.", "invalid")


class SignUpSerializer(StrictSerializer):
    """A new account."""

    email = StrictEmailField(max_length=254, trim_whitespace=False)
    password = StrictCharField(
        min_length=10, max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, write_only=True,
        style={"input_type": "password"}, help_text="10 characters or more, and not a common one.",
    )  # fmt: skip
    name = StrictCharField(max_length=200, trim_whitespace=False, validators=[_is_printable_name])

    def validate_password(self, value: str) -> str:
        """Django's password validators."""
        try:
            validate_password(value)
        except ValidationError as error:
            raise serializers.ValidationError(
                [serializers.ErrorDetail(item.messages[0], code=item.code) for item in error.error_list]
            ) from None
        return value


class CredentialsSerializer(StrictSerializer):
    """What somebody logs in with. Any address and password may be tried; a wrong one is 401, not 400."""

    email = StrictCharField(max_length=254, trim_whitespace=False)
    password = StrictCharField(
        max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, write_only=True, style={"input_type": "password"}
    )


class RefreshSerializer(StrictSerializer):
    """A refresh token."""

    refresh = StrictCharField(max_length=4096, trim_whitespace=False)


class TokenPairSerializer(serializers.Serializer[Any]):
    """An access token, and the refresh token to get the next with."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)


class UserSerializer(serializers.ModelSerializer[User]):
    """An account as its owner sees it."""

    class Meta:
        model = User
        fields = ["id", "email", "name"]
        read_only_fields = fields


class InternalUserSerializer(serializers.ModelSerializer[User]):
    """An account as other services see it."""

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
    """The keys that access tokens are verified with."""

    keys = JwkSerializer(many=True)
