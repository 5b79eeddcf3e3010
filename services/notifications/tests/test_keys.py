"""The keys of the users service, over real HTTP."""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from contracts.api import authentication
from contracts.testing.bodies import assert_problem
from contracts.testing.tokens import KEY_ID, private_key
from django.test import Client
from mailing.clients import user_keys
from platform_testing.http import StubServer
from werkzeug import Request, Response

from tests.conftest import kept, person


def number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def key_set() -> dict[str, Any]:
    numbers = private_key().public_key().public_numbers()
    return {"keys": [{"kty": "RSA", "use": "sig", "kid": KEY_ID, "n": number(numbers.n), "e": number(numbers.e)}]}


@dataclass
class Users:
    """The users service's JWKS: answers `status` and `content`, and records the paths of the requests."""

    status: int = 200
    content: bytes = field(default_factory=lambda: json.dumps(key_set()).encode())
    paths: list[str] = field(default_factory=list)

    def respond(self, request: Request) -> Response:
        self.paths.append(request.path)
        return Response(self.content, self.status)


@pytest.fixture
def users(settings: Any) -> Iterator[Users]:
    """The service uses the keys of a users service on a real socket."""
    stub = Users()
    with StubServer(stub.respond) as server:
        settings.USERS_URL = server.url
        settings.ACCESS_TOKEN_KEY_SOURCE = "mailing.clients.user_keys"
        authentication.key_source.cache_clear()
        yield stub
        authentication.key_source.cache_clear()


@pytest.mark.django_db
def test_tokens_are_verified_by_users_keys_fetched_once(users: Users) -> None:
    me = uuid.uuid4()
    kept(me)
    for _ in range(3):
        assert len(person(me).get("/api/v1/notifications").json()["results"]) == 1
    assert users.paths == ["/.well-known/jwks.json"]


@pytest.mark.django_db
def test_known_keys_stay_in_use_while_users_is_down(users: Users) -> None:
    me = uuid.uuid4()
    assert person(me).get("/api/v1/notifications").status_code == 200
    users.status = 500
    assert person(me).get("/api/v1/notifications").status_code == 200


@pytest.mark.parametrize(
    ("status", "content"),
    [(500, b""), (404, b"{}"), (200, b"no json"), (200, b"{}"), (200, b"[]"), (200, b'{"keys": [{}]}')],
)
def test_without_any_key_the_response_is_503_and_names_users(users: Users, status: int, content: bytes) -> None:
    users.status, users.content = status, content
    response = person(uuid.uuid4()).get("/api/v1/notifications")
    assert assert_problem(response, 503, "dependency_unavailable")["dependency"] == "users"
    assert response["Retry-After"]


def test_users_refusing_connections_answers_503(users: Users, settings: Any) -> None:
    settings.USERS_URL = "http://127.0.0.1:9"
    assert_problem(person(uuid.uuid4()).get("/api/v1/notifications"), 503, "dependency_unavailable")


@pytest.mark.django_db
def test_health_does_not_depend_on_users(users: Users) -> None:
    users.status = 500
    assert Client().get("/readyz").status_code == 200
    assert users.paths == []


def test_the_client_is_created_from_the_settings(users: Users) -> None:
    assert user_keys().key(KEY_ID).public_numbers() == private_key().public_key().public_numbers()
