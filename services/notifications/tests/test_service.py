"""Behaviour common to all services: health, problems for requests that reach no view, the OpenAPI document."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.testing.bodies import assert_problem
from django.db import connections
from django.test import Client

from tests.conftest import person
from tests.metrics import counted


def test_livez_checks_no_dependency() -> None:
    response = Client().get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


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


def test_an_invalid_host_is_a_problem() -> None:
    assert_problem(Client(headers={"Host": "evil.example"}).get("/livez"), 400)


@pytest.mark.parametrize("length", ["many", "-1", "1e3", "٣", "+5"])
def test_a_malformed_content_length_is_a_problem(length: str) -> None:
    response = Client().get("/api/v1/notifications", CONTENT_LENGTH=length)
    assert_problem(response, 400, "bad_content_length")


def test_a_declared_length_over_the_limit_is_a_problem() -> None:
    assert_problem(Client().get("/api/v1/notifications", CONTENT_LENGTH="9" * 30), 413, "payload_too_large")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/nothing", "/internal/v1/notifications", "/api/v1/notifications/", "/%ff"]
)
def test_an_unknown_url_is_a_problem(path: str) -> None:
    assert_problem(person(uuid.uuid4()).get(path), 404, "not_found")


def test_every_response_has_its_ids() -> None:
    response = Client(headers={"X-Request-ID": "a-callers.id_1"}).get("/livez")
    assert response["X-Request-ID"] == "a-callers.id_1"
    assert response["traceresponse"].startswith("00-")


def test_the_documentation_is_public() -> None:
    assert Client().get("/api/docs/").status_code == 200


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
