"""The key ring, its files and the published JWKS."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import keys, sessions
from accounts.models import User
from contracts.testing import tokens
from contracts.testing.bodies import assert_problem
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def _fresh_ring() -> Iterator[None]:
    keys.key_ring.cache_clear()
    yield
    keys.key_ring.cache_clear()


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    """The example of RFC 7638, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
        "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw"
        "apJzKnqDKgw"
    )
    number = int.from_bytes(base64.urlsafe_b64decode(modulus + "=="))
    key = rsa.RSAPublicNumbers(65537, number).public_key()
    assert keys.thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_jwks_is_public_and_cacheable_and_has_only_public_members(client: Client) -> None:
    response = client.get("/.well-known/jwks.json")
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "public, max-age=300"
    (key,) = response.json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    canonical = f'{{"e":"{key["e"]}","kty":"RSA","n":"{key["n"]}"}}'.encode()
    digest = hashlib.sha256(canonical).digest()
    assert key["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("_fresh_ring")
def test_after_a_rotation_tokens_of_the_previous_key_are_still_accepted(
    client: Client, settings: Settings, tmp_path: Path, user: User
) -> None:
    old = sessions.begin(user).refresh
    old_id = keys.key_ring().key_id
    previous, new = tmp_path / "previous.pem", tmp_path / "new.pem"
    previous.write_bytes(public_pem(tokens.private_key()))
    new.write_bytes(pem(tokens.foreign_key()))
    settings.JWT_PRIVATE_KEY_FILE = new

    def answer() -> int:
        body = {"refresh": old}
        return client.post("/api/v1/token/refresh", body, content_type="application/json").status_code

    keys.key_ring.cache_clear()
    assert answer() == 401, "the previous key was not announced, so its tokens are to be refused"
    settings.JWT_PREVIOUS_PUBLIC_KEY_FILES = (previous,)
    keys.key_ring.cache_clear()
    assert answer() == 200
    published = [key["kid"] for key in client.get("/.well-known/jwks.json").json()["keys"]]
    assert published == [keys.thumbprint(tokens.foreign_key().public_key()), old_id]
    assert keys.key_ring().key_id == published[0], "new tokens are signed with the new key"


@pytest.mark.usefixtures("_fresh_ring")
@pytest.mark.parametrize("what", ["no PEM", "an elliptic curve key", "too short", "a public key"])
def test_an_unusable_private_key_stops_the_start_and_is_named(settings: Settings, tmp_path: Path, what: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(
        {
            "no PEM": b"nonsense",
            "an elliptic curve key": pem(ec.generate_private_key(ec.SECP256R1())),
            "too short": pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
            "a public key": public_pem(tokens.private_key()),
        }[what]
    )
    settings.JWT_PRIVATE_KEY_FILE = file
    with pytest.raises(ImproperlyConfigured, match=r"JWT_PRIVATE_KEY_FILE: allowed is .* 2048 or more bits"):
        keys.key_ring()


@pytest.mark.usefixtures("_fresh_ring")
def test_an_unusable_previous_key_stops_the_start_and_is_named(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(tokens.private_key()))
    settings.JWT_PREVIOUS_PUBLIC_KEY_FILES = (file,)
    with pytest.raises(ImproperlyConfigured, match="JWT_PREVIOUS_PUBLIC_KEY_FILES: allowed is"):
        keys.key_ring()


def test_the_jwks_accepts_no_other_method(client: Client) -> None:
    assert_problem(client.post("/.well-known/jwks.json", {}, content_type="application/json"), 405)
