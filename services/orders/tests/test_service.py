"""Behaviour common to all services: health, unknown URLs, invalid hosts, the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.service import ServiceTests
from django.db import OperationalError
from django.test import Client


class TestService(ServiceTests):
    method = "POST"
    address = "/api/v1/orders"
    unknown_addresses = ("/api/v1/orders/", "/api/v2/orders", "/internal/v1/orders")


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


def test_the_openapi_document_has_every_url(client: Client) -> None:
    response = client.get("/api/schema/?format=json")
    assert response.status_code == 200
    assert set(response.json()["paths"]) == {"/api/v1/orders", "/api/v1/orders/{order_id}"}
