"""Behaviour common to all URLs: health, invalid hosts and lengths, unknown URLs, wrong methods."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from contracts.testing.bodies import assert_problem
from django.db import OperationalError, connection
from django.test import Client

METHOD_OF = {
    "/api/v1/products": "GET",
    "/api/v1/products/8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10": "GET",
    "/livez": "GET",
    "/readyz": "GET",
}
WRONG_METHODS = [
    (address, allowed, method)
    for address, allowed in METHOD_OF.items()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
    if method != allowed
]


def test_liveness_does_not_query_the_database(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}


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


def test_a_request_that_needs_a_database_that_is_down_gets_503_naming_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/api/v1/products")
    problem = assert_problem(response, 503, "dependency_unavailable")
    assert problem["dependency"] == "postgresql"
    assert response["Retry-After"]


@pytest.mark.parametrize("host", ["evil.example.com", "testserver:port", "a b", "x" * 300, ""])
def test_an_unknown_host_is_400(client: Client, host: str) -> None:
    assert_problem(client.get("/api/v1/products", headers={"host": host}), 400)


@pytest.mark.parametrize("length", ["x", "-1", "1.5", "1e3", " ", "\u0661", "9" * 30, "65537"])
def test_a_malformed_or_huge_content_length_is_4xx(client: Client, length: str) -> None:
    response = client.generic("POST", "/api/v1/products", b"{}", "application/json", CONTENT_LENGTH=length)
    assert response.status_code in (400, 413), response.content
    assert_problem(response, response.status_code)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/api/v1/products/", "/api/v1", "/api/v1/%00", "/\u00e9", "/admin/"])
def test_an_unknown_url_is_404(client: Client, path: str) -> None:
    assert_problem(client.get(path), 404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "allowed", "method"), WRONG_METHODS)
def test_an_unsupported_method_is_405(client: Client, address: str, allowed: str, method: str) -> None:
    response = client.generic(method, address, b"", "application/json")
    assert_problem(response, 405, "method_not_allowed")
    assert allowed in response["Allow"].split(", ")


def test_the_openapi_document_and_its_page_are_public(client: Client) -> None:
    assert client.get("/api/schema/").status_code == 200
    assert client.get("/api/docs/").status_code == 200


def test_an_unsupported_response_format_is_406(client: Client) -> None:
    assert_problem(client.get("/api/v1/products", headers={"accept": "text/html"}), 406)


def test_every_response_carries_the_ids_of_its_trace_and_logs(client: Client) -> None:
    response = client.get("/livez", headers={"x-request-id": "my-id.1"})
    assert response["X-Request-ID"] == "my-id.1"
    assert response["traceresponse"].startswith("00-")
