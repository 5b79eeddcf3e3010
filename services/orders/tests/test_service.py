"""Behaviour common to all services: health, unknown URLs, invalid hosts, the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from django.db import OperationalError
from django.test import Client


def test_livez_checks_no_dependency(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response["X-Request-ID"]


@pytest.mark.django_db
def test_readyz_names_what_it_checked(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": ["migrations", "postgresql"]})


@pytest.mark.django_db
def test_readyz_names_what_is_unavailable(client: Client, settings: Any) -> None:
    settings.READINESS_CHECKS = {"postgresql": "tests.test_service.away", "other": "tests.test_service.there"}
    response = client.get("/readyz")
    problem = assert_problem(response, 503, "not_ready")
    assert problem["missing"] == ["postgresql"]
    assert response["Retry-After"]


def away() -> None:
    raise OperationalError


def there() -> None: ...


@pytest.mark.parametrize("host", ["elsewhere.example", "a b", "[::1", "127.0.0.1:port"])
def test_an_unknown_host_is_refused(host: str, client: Client) -> None:
    assert_problem(client.get("/livez", headers={"host": host}), 400)


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "9" * 30, "٣"])
def test_a_malformed_content_length_is_refused(length: str, client: Client) -> None:
    response = client.generic("POST", "/api/v1/orders", b"{}", "application/json", CONTENT_LENGTH=length)
    assert_problem(response, response.status_code)
    assert response.status_code in (400, 413)


@pytest.mark.parametrize("path", ["/", "/api/v1/orders/", "/api/v2/orders", "/internal/v1/orders", "/admin/", "/%ff"])
def test_an_unknown_url_is_not_found(path: str, client: Client) -> None:
    assert_problem(client.get(path), 404, "not_found")


def test_the_openapi_document_is_served(client: Client) -> None:
    response = client.get("/api/schema/?format=json")
    assert response.status_code == 200
    assert set(response.json()["paths"]) == {"/api/v1/orders", "/api/v1/orders/{order_id}"}
    assert client.get("/api/docs/").status_code == 200
