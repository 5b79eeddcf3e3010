"""Access and refresh tokens: simplejwt tokens, signed and verified with the process's key ring, with a key id."""

from __future__ import annotations

from functools import cache
from typing import Any

import jwt
from django.conf import settings
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from accounts.keys import key_ring


class KeyRingBackend(TokenBackend):
    """simplejwt's backend plus the `kid` header, which other services use to choose the key and simplejwt can't set."""

    def encode(self, payload: dict[str, Any]) -> str:
        """Return the signed token."""
        ring = key_ring()
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, ring.signing_key, algorithm=self.algorithm, headers={"kid": ring.key_id})

    def get_verifying_key(self, token: Any) -> Any:
        """Return the key that the token names. Raises TokenBackendError for an unreadable token or an unknown key."""
        try:
            return key_ring().key(str(jwt.get_unverified_header(token).get("kid")))
        except (jwt.PyJWTError, KeyError):
            raise TokenBackendError("Token is invalid") from None


@cache
def _backend() -> KeyRingBackend:
    options = settings.SIMPLE_JWT
    return KeyRingBackend(options["ALGORITHM"], audience=options["AUDIENCE"], issuer=options["ISSUER"])


class AccessToken(tokens.AccessToken):
    """Authenticates a user to every service; valid for 15 minutes."""

    @property
    def token_backend(self) -> TokenBackend:
        """The backend that uses the key ring."""
        return _backend()


class RefreshToken(tokens.RefreshToken):
    """Obtains new access tokens from this service; valid for a day."""

    access_token_class = AccessToken

    @property
    def token_backend(self) -> TokenBackend:
        """The backend that uses the key ring."""
        return _backend()
