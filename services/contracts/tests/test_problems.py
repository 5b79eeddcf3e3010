"""Every error is a problem with ids, and never discloses internals."""

from typing import Any
from unittest import mock

import pytest
from contracts.testing.bodies import BAD_BODIES, assert_problem
from contracts.testing.tokens import access_token, bad_tokens
from django.core.cache import cache
from django.test import Client
from drf_spectacular.views import SpectacularAPIView

from tests import urls


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def person() -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token('u-1')}"}


def test_a_valid_request_from_a_user_is_answered(client: Client, person: dict[str, str]) -> None:
    response = client.post("/things", {"name": "a", "count": 1}, content_type="application/json", headers=person)
    assert (response.status_code, response.json()) == (201, {"name": "a", "count": 1, "user": "u-1"})


@pytest.mark.parametrize(("what", "body", "content_type", "status"), BAD_BODIES, ids=[row[0] for row in BAD_BODIES])
def test_an_invalid_body_is_a_problem(
    client: Client, person: dict[str, str], what: str, body: bytes, content_type: str, status: int
) -> None:
    assert_problem(client.generic("POST", "/things", body, content_type, headers=person), status)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"count": 1}, "name", "required"),
        ({"name": "a", "count": "1"}, "count", "invalid"),
        ({"name": "a", "count": True}, "count", "invalid"),
        ({"name": "a", "count": 1.0}, "count", "invalid"),
        ({"name": "a", "count": 6}, "count", "max_value"),
        ({"name": "a", "count": 10**30}, "count", "max_value"),
        ({"name": 5, "count": 1}, "name", "invalid"),
        ({"name": "a" * 11, "count": 1}, "name", "max_length"),
        ({"name": "a\x00", "count": 1}, "name", "null_characters_not_allowed"),
        ({"name": "a", "count": 1, "admin": True}, "admin", "unknown_field"),
    ],
)
def test_an_invalid_field_is_named_with_its_code(
    client: Client, person: dict[str, str], body: dict[str, Any], field: str, code: str
) -> None:
    problem = assert_problem(
        client.post("/things", body, content_type="application/json", headers=person), 400, "invalid"
    )
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]


def test_several_invalid_fields_are_all_named_at_once(client: Client, person: dict[str, str]) -> None:
    response = client.post("/things", {"name": "", "extra": 1}, content_type="application/json", headers=person)
    assert {error["field"] for error in assert_problem(response, 400)["errors"]} == {"name", "count", "extra"}


@pytest.mark.parametrize("what", sorted(bad_tokens()))
def test_an_invalid_token_is_refused(client: Client, what: str) -> None:
    response = client.post(
        "/things", {}, content_type="application/json", headers={"Authorization": f"Bearer {bad_tokens()[what]}"}
    )
    assert_problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer a b", "Bearer ü"])
def test_a_missing_or_malformed_token_is_refused(client: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert_problem(client.post("/things", {}, content_type="application/json", headers=headers), 401)


def test_a_service_token_identifies_the_service(client: Client) -> None:
    response = client.get("/internal", headers={"Authorization": "Bearer token-of-orders"})
    assert response.json() == {"service": "orders"}


@pytest.mark.parametrize("token", ["unknown-token", "token-of-order", access_token()])
def test_anything_but_a_service_token_is_refused_on_the_internal_api(client: Client, token: str) -> None:
    assert_problem(client.get("/internal", headers={"Authorization": f"Bearer {token}"}), 401)


def test_a_domain_problem_keeps_its_code_its_members_and_its_retry_after(client: Client) -> None:
    response = client.get("/failing/problem")
    problem = assert_problem(response, 409, "out_of_stock")
    assert (problem["product_ids"], response["Retry-After"]) == (["a"], "3")


def test_a_crash_is_a_problem_that_discloses_nothing(client: Client) -> None:
    response = client.get("/failing/crash")
    assert_problem(response, 500, "internal_error")
    assert b"secret" not in response.content


def test_an_unknown_path_is_a_problem(client: Client) -> None:
    assert_problem(client.get("/nothing-here"), 404, "not_found")


def test_an_invalid_host_is_a_problem(client: Client) -> None:
    assert_problem(client.get("/livez", headers={"Host": "evil.example"}), 400, "bad_request")


@pytest.mark.parametrize(
    ("length", "status"), [("abc", 400), ("-1", 400), ("1e3", 400), ("٣", 400), ("65537", 413), ("9" * 40, 413)]
)
def test_an_invalid_content_length_is_a_problem(
    client: Client, person: dict[str, str], length: str, status: int
) -> None:
    response = client.generic("POST", "/things", b"{}", "application/json", CONTENT_LENGTH=length, headers=person)
    assert_problem(response, status)


def test_a_chunked_body_is_refused(client: Client, person: dict[str, str]) -> None:
    headers = {**person, "Transfer-Encoding": "chunked"}
    response = client.generic("POST", "/things", b"", "application/json", headers=headers)
    assert_problem(response, 411, "length_required")


def test_an_unavailable_database_is_a_problem_that_names_it(client: Client) -> None:
    problem = assert_problem(client.get("/failing/database"), 503)
    assert problem["dependency"] == "postgresql"


def test_a_wrong_method_is_a_problem_that_names_the_allowed_ones(client: Client, person: dict[str, str]) -> None:
    response = client.get("/things", headers=person)
    assert_problem(response, 405)
    assert "POST" in response["Allow"]


def test_livez_checks_no_dependency_and_readyz_names_those_that_fail(client: Client) -> None:
    urls.broken.append(ConnectionError("no"))
    try:
        assert client.get("/livez").status_code == 200
        problem = assert_problem(client.get("/readyz"), 503, "not_ready")
    finally:
        urls.broken.clear()
    assert problem["missing"] == ["thing"]
    assert client.get("/readyz").json() == {"status": "ready", "checks": ["thing"]}


def test_the_schema_is_public_and_documents_the_problems(client: Client) -> None:
    schema = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    responses = schema["paths"]["/things"]["post"]["responses"]
    assert {"400", "401", "413", "415"} <= set(responses)
    assert list(responses["400"]["content"]) == ["application/problem+json"]


def test_the_openapi_document_is_generated_once(client: Client) -> None:
    cache.clear()
    first = client.get("/api/schema/")
    with mock.patch.object(SpectacularAPIView, "_get_schema_response", side_effect=AssertionError("made again")):
        second = client.get("/api/schema/")
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
