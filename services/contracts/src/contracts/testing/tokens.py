"""Access tokens for tests: valid, expired, forged, of another audience."""

from __future__ import annotations

import time
import uuid
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TEST_ISSUER = "users"
TEST_AUDIENCE = "platform"
KEY_ID = "test-key"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Return the key that signs this run's tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def foreign_key() -> rsa.RSAPrivateKey:
    """Return a key that no service trusts."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_key_pem() -> str:
    """Return the signing key as PKCS #8 PEM."""
    return (
        private_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def access_token(user_id: str | None = None, *, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
    """Return a token as users issues it. `claims` replace the usual ones; None omits one."""
    now = int(time.time())
    body: dict[str, Any] = {
        "token_type": "access",
        "user_id": user_id or str(uuid.uuid4()),
        "iss": TEST_ISSUER,
        "aud": TEST_AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
        **claims,
    }
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key or private_key(), algorithm="RS256", headers={"kid": KEY_ID})


def bad_tokens() -> dict[str, str]:
    """Return every token that must be refused, by its defect."""
    return {
        "expired": access_token(exp=int(time.time()) - 10),
        "forged": access_token(key=foreign_key()),
        "of another audience": access_token(aud="elsewhere"),
        "of another issuer": access_token(iss="elsewhere"),
        "a refresh token": access_token(token_type="refresh"),
        "without expiry": access_token(exp=None),
        "without user": jwt.encode({"token_type": "access"}, private_key(), "RS256", headers={"kid": KEY_ID}),
        "unsigned": jwt.encode({"token_type": "access", "user_id": "x"}, "", algorithm="none"),
        "signed with a shared secret": jwt.encode({"token_type": "access"}, "s" * 32, "HS256", headers={"kid": KEY_ID}),
        "garbage": "not.a.token",
    }


class TestKeys:
    """A key source with this run's key only; the target of ACCESS_TOKEN_KEY_SOURCE in tests."""

    __test__ = False

    def key(self, key_id: str) -> Any:
        """Return the public key; KeyError for any other id."""
        return {KEY_ID: private_key().public_key()}[key_id]
