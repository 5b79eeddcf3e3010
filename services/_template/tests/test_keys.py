"""The keys of users, over real HTTP."""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.api import authentication
from contracts.testing.bodies import assert_problem
from contracts.testing.tokens import KEY_ID, private_key
from platform_testing.http import StubServer, json_response
from werkzeug import Response

from tests.conftest import person


def number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def key_set() -> dict[str, Any]:
    numbers = private_key().public_key().public_numbers()
    return {"keys": [{"kty": "RSA", "use": "sig", "kid": KEY_ID, "n": number(numbers.n), "e": number(numbers.e)}]}


@pytest.fixture
def users(settings: Any) -> Iterator[StubServer]:
    """The service uses the keys of a server on a real socket."""
    with StubServer() as server:
        settings.USERS_URL = server.url
        settings.ACCESS_TOKEN_KEY_SOURCE = "newapp.clients.user_keys"
        authentication.key_source.cache_clear()
        yield server
    authentication.key_source.cache_clear()


@pytest.mark.django_db
def test_tokens_are_verified_by_keys_that_are_fetched_once(users: StubServer) -> None:
    users.expect_request("/.well-known/jwks.json").respond_with_response(json_response(key_set()))
    for _ in range(3):
        assert person(uuid.uuid4()).get("/api/v1/records").status_code == 200
    assert users.paths() == ["/.well-known/jwks.json"]


def test_without_any_key_the_answer_is_503_and_names_users(users: StubServer) -> None:
    users.expect_request("/.well-known/jwks.json").respond_with_response(Response(json.dumps({}), 500))
    response = person(uuid.uuid4()).get("/api/v1/records")
    assert assert_problem(response, 503, "dependency_unavailable")["dependency"] == "users"
