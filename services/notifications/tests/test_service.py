"""Behaviour common to all services: health, problems for requests that reach no view, the OpenAPI document."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.service import ServiceTests
from django.db import connections
from django.test import Client

from tests.conftest import person
from tests.metrics import counted


class TestService(ServiceTests):
    address = "/api/v1/notifications"
    unknown_addresses = ("/api/v1/nothing", "/internal/v1/notifications", "/api/v1/notifications/")

    def caller(self) -> Client:
        return person(uuid.uuid4())


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
def test_a_request_while_the_database_is_down_answers_503() -> None:
    problem = assert_problem(person(uuid.uuid4()).get("/api/v1/notifications"), 503)
    assert problem["dependency"] == "postgresql"


def test_every_metric_starts_at_zero() -> None:
    for kind in ("order_confirmed", "order_cancelled"):
        with counted("mails_sent_total", kind=kind):
            pass
    for reason in ("invalid_event", "invalid_recipient", "recipient_refused", "message_refused", "unavailable"):
        with counted("mails_failed_total", reason=reason):
            pass
    edge = {"dependency": "users", "protocol": "http", "operation": "GET /.well-known/jwks.json", "outcome": "timeout"}
    with counted("dependency_call_duration_seconds_count", **edge):
        pass
