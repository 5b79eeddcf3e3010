"""Behaviour common to all URLs: health, invalid hosts and lengths, unknown URLs, wrong methods."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.service import ServiceTests
from contracts.testing.tokens import access_token
from django.db import OperationalError, connection
from django.test import Client

METHOD_OF = {
    "/api/v1/users": "POST",
    "/api/v1/users/me": "GET",
    "/api/v1/token": "POST",
    "/api/v1/token/refresh": "POST",
    "/internal/v1/users/8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10": "GET",
    "/.well-known/jwks.json": "GET",
    "/livez": "GET",
    "/readyz": "GET",
}
WRONG_METHODS = [
    (address, allowed, method)
    for address, allowed in METHOD_OF.items()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
    if method != allowed
]


class TestService(ServiceTests):
    method = "POST"
    address = "/api/v1/token"
    unknown_addresses = ("/nowhere", "/api/v1/users/", "/api/v1", "/api/v1/%00", "/\u00e9")


@pytest.mark.django_db
def test_readiness_lists_its_checks(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    assert response.json() == {"status": "ready", "checks": ["migrations", "postgresql"]}


def refuse(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("no connection") from psycopg.OperationalError()


def test_readiness_fails_and_names_the_database_when_it_is_down(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/readyz")
    problem = assert_problem(response, 503, "not_ready")
    assert "postgresql" in problem["missing"]
    assert response["Retry-After"]


@pytest.mark.django_db
def test_a_request_that_needs_a_database_that_is_down_gets_503_naming_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "cursor", refuse)
    body = {"email": "a@example.com", "password": "a long and rare passphrase"}
    response = client.post("/api/v1/token", body, content_type="application/json")
    problem = assert_problem(response, 503, "dependency_unavailable")
    assert problem["dependency"] == "postgresql"
    assert response["Retry-After"]


def headers_for(address: str, service_headers: dict[str, str]) -> dict[str, str]:
    if address.startswith("/internal"):
        return service_headers
    return {"authorization": f"Bearer {access_token()}"} if address.endswith("/me") else {}


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "allowed", "method"), WRONG_METHODS)
def test_an_unsupported_method_is_405(
    client: Client, address: str, allowed: str, method: str, service_headers: dict[str, str]
) -> None:
    response = client.generic(method, address, b"", "application/json", headers=headers_for(address, service_headers))
    assert_problem(response, 405, "method_not_allowed")
    assert allowed in response["Allow"].split(", ")


def test_an_unsupported_response_format_is_406(client: Client) -> None:
    assert_problem(client.get("/.well-known/jwks.json", headers={"accept": "text/html"}), 406)
