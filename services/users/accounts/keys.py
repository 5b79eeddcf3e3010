"""Keys that sign access tokens, and keys that verify them."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from jwt.algorithms import RSAAlgorithm

logger = logging.getLogger(__name__)

MIN_KEY_BITS = 2048


class KeyRing:
    """One signing key, and the public keys whose tokens are accepted: its own and those of previous keys."""

    def __init__(self, signing_key: rsa.RSAPrivateKey, previous: Iterable[rsa.RSAPublicKey] = ()) -> None:
        self.signing_key = signing_key
        self.key_id = thumbprint(signing_key.public_key())
        self._public = {thumbprint(key): key for key in (signing_key.public_key(), *previous)}

    def key(self, key_id: str) -> rsa.RSAPublicKey:
        """Return the public key with that id. Raises KeyError for an unknown id."""
        return self._public[key_id]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set (RFC 7517), the signing key first."""
        return {
            "keys": [
                {**_members(key), "kid": key_id, "use": "sig", "alg": "RS256"} for key_id, key in self._public.items()
            ]
        }


@cache
def key_ring() -> KeyRing:
    """Load this process's keys from the configured files. Raises ImproperlyConfigured when one isn't usable.

    Without a file (development only) the key lives as long as the process.
    """
    previous = [_public_key(path) for path in settings.JWT_PREVIOUS_PUBLIC_KEY_FILES]
    if settings.JWT_PRIVATE_KEY_FILE is None:
        logger.warning("JWT_PRIVATE_KEY_FILE is not set: tokens are signed with a key that ends with this process")
        return KeyRing(rsa.generate_private_key(public_exponent=65537, key_size=MIN_KEY_BITS), previous)
    return KeyRing(_private_key(settings.JWT_PRIVATE_KEY_FILE), previous)


def thumbprint(key: rsa.RSAPublicKey) -> str:
    """Return the key's id: its RFC 7638 SHA-256 thumbprint, base64url-encoded."""
    canonical = json.dumps(_members(key), sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _members(key: rsa.RSAPublicKey) -> dict[str, str]:
    jwk: dict[str, Any] = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("kty", "n", "e")}


def _private_key(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_KEY_BITS:
        raise _unusable("JWT_PRIVATE_KEY_FILE", "an unencrypted PEM file with an RSA private key")
    return key


def _public_key(path: Path) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise _unusable("JWT_PREVIOUS_PUBLIC_KEY_FILES", "PEM files, each with an RSA public key")
    return key


def _unusable(name: str, allowed: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: allowed is {allowed} of {MIN_KEY_BITS} or more bits")
