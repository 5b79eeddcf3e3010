"""Behaviour common to all services: health, problems for requests that reach no view, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.plugin import SERVICE_TOKENS
from contracts.testing.service import ServiceTests
from django.db import connections
from django.test import Client

from tests.metrics import counted


class TestService(ServiceTests):
    method = "POST"
    address = "/internal/v1/charges"
    unknown_addresses = ("/internal/v1/nothing", "/api/v1/charges", "/internal/v1/charges/")

    def caller(self) -> Client:
        return Client(headers={"authorization": f"Bearer {SERVICE_TOKENS['orders']}"})


@pytest.mark.django_db
def test_readyz_succeeds_while_its_database_is_up() -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": ["migrations", "postgresql"]})


@pytest.fixture
def database_away(transactional_db: None) -> Iterator[None]:
    """Points the database settings at an address where nothing listens."""
    connection = connections["default"]
    right = connection.settings_dict
    options = {**right["OPTIONS"], "pool": {**right["OPTIONS"]["pool"], "timeout": 0.3}}
    _use(connection, {**right, "HOST": "127.0.0.1", "PORT": "9", "OPTIONS": options})
    yield
    _use(connection, right)


def _use(connection: Any, settings: dict[str, Any]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict = settings


@pytest.mark.usefixtures("database_away")
def test_readyz_names_the_database_when_it_is_down() -> None:
    response = Client().get("/readyz")
    problem = assert_problem(response, 503, "not_ready")
    assert "postgresql" in problem["missing"]
    assert response["Retry-After"]


@pytest.mark.usefixtures("database_away")
def test_a_request_while_the_database_is_down_answers_503(internal: Client) -> None:
    problem = assert_problem(internal.get("/internal/v1/charges/a1b2c3d4-0000-4000-8000-000000000000"), 503)
    assert problem["dependency"] == "postgresql"


def test_every_metric_starts_at_zero() -> None:
    for outcome in ("captured", "declined", "failed", "cancelled", "unavailable"):
        with counted("payments_total", outcome=outcome):
            pass
    for outcome in ("refunded", "cancelled", "nothing_taken", "recorded", "repeated", "refused", "unavailable"):
        with counted("voids_total", outcome=outcome):
            pass
    edge = {
        "dependency": "card-provider",
        "protocol": "http",
        "operation": "POST /v1/cancellations",
        "outcome": "timeout",
    }
    with counted("dependency_call_duration_seconds_count", **edge):
        pass


@pytest.fixture
def internal() -> Client:
    """A caller with a valid token, for URLs that call no other service."""
    return Client(headers={"Authorization": f"Bearer {SERVICE_TOKENS['orders']}"})
