"""GET /api/v1/users/me and GET /internal/v1/users/{id}."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from accounts.models import User
from accounts.tokens import AccessToken
from contracts.testing import tokens
from contracts.testing.bodies import assert_problem
from contracts.testing.plugin import SERVICE_TOKENS
from django.test import Client

Bearer = Callable[[str], dict[str, str]]

pytestmark = pytest.mark.django_db


def test_a_user_reads_their_own_account(client: Client, user: User, bearer: Bearer) -> None:
    response = client.get("/api/v1/users/me", headers=bearer(str(AccessToken.for_user(user))))
    assert response.status_code == 200, response.content
    assert response.json() == {"id": str(user.id), "email": user.email, "name": user.name}


def test_reading_ones_own_account_without_a_token_is_401(client: Client) -> None:
    response = client.get("/api/v1/users/me")
    assert_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("what", sorted(tokens.bad_tokens()))
def test_a_bad_access_token_is_401(client: Client, bearer: Bearer, what: str) -> None:
    code = "token_expired" if what == "expired" else "token_invalid"
    assert_problem(client.get("/api/v1/users/me", headers=bearer(tokens.bad_tokens()[what])), 401, code)


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer a b", "Basic dXNlcjpwdw==", "nonsense", "Bearer \u00e9"]
)
def test_a_malformed_authorization_header_is_401(client: Client, header: str) -> None:
    assert_problem(client.get("/api/v1/users/me", headers={"authorization": header}), 401)


@pytest.mark.parametrize("change", ["inactive", "deleted"])
def test_the_token_of_an_inactive_or_deleted_account_is_401(
    client: Client, user: User, bearer: Bearer, change: str
) -> None:
    token = str(AccessToken.for_user(user))
    if change == "deleted":
        user.delete()
    else:
        User.objects.update(is_active=False)
    assert_problem(client.get("/api/v1/users/me", headers=bearer(token)), 401, "account_inactive")


def test_a_token_whose_user_is_not_a_uuid_is_401(client: Client, bearer: Bearer) -> None:
    response = client.get("/api/v1/users/me", headers=bearer(tokens.access_token("no uuid")))
    assert_problem(response, 401, "account_inactive")


def test_a_service_reads_an_account(client: Client, user: User, service_headers: dict[str, str]) -> None:
    response = client.get(f"/internal/v1/users/{user.id}", headers=service_headers)
    assert response.status_code == 200, response.content
    assert response.json() == {"id": str(user.id), "email": user.email, "name": user.name, "is_active": True}


def test_a_service_is_shown_that_an_account_is_inactive(
    client: Client, user: User, service_headers: dict[str, str]
) -> None:
    User.objects.update(is_active=False)
    assert client.get(f"/internal/v1/users/{user.id}", headers=service_headers).json()["is_active"] is False


def test_an_unknown_account_is_404(client: Client, service_headers: dict[str, str]) -> None:
    assert_problem(client.get(f"/internal/v1/users/{uuid.uuid4()}", headers=service_headers), 404, "not_found")


@pytest.mark.parametrize("bad_id", ["5", "x", "%00", "me", "0" * 5000])
def test_an_invalid_id_is_404(client: Client, service_headers: dict[str, str], bad_id: str) -> None:
    assert_problem(client.get(f"/internal/v1/users/{bad_id}", headers=service_headers), 404, "not_found")


def test_the_internal_api_rejects_user_tokens(client: Client, user: User, bearer: Bearer) -> None:
    response = client.get(f"/internal/v1/users/{user.id}", headers=bearer(str(AccessToken.for_user(user))))
    assert_problem(response, 401, "token_invalid")


@pytest.mark.parametrize("token", ["x", SERVICE_TOKENS["orders"] + "x", SERVICE_TOKENS["orders"][:-1]])
def test_the_internal_api_rejects_unknown_services(client: Client, user: User, bearer: Bearer, token: str) -> None:
    assert_problem(client.get(f"/internal/v1/users/{user.id}", headers=bearer(token)), 401, "token_invalid")


def test_the_internal_api_requires_a_token(client: Client, user: User) -> None:
    assert_problem(client.get(f"/internal/v1/users/{user.id}"), 401, "not_authenticated")


def test_a_service_token_is_not_an_access_token(client: Client, service_headers: dict[str, str]) -> None:
    assert_problem(client.get("/api/v1/users/me", headers=service_headers), 401, "token_invalid")
