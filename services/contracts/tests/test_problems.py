"""Every error is a problem with ids, and never shows what it shouldn't."""

import pytest
from contracts.testing.bodies import BAD_BODIES, assert_problem
from contracts.testing.tokens import access_token, bad_tokens
from django.test import Client

from tests import urls


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def person() -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {access_token('u-1')}"}


def test_a_valid_request_from_a_person_is_answered(client, person):
    response = client.post("/things", {"name": "a", "count": 1}, content_type="application/json", **person)
    assert (response.status_code, response.json()) == (201, {"name": "a", "count": 1, "user": "u-1"})


@pytest.mark.parametrize(("what", "body", "content_type", "status"), BAD_BODIES, ids=[row[0] for row in BAD_BODIES])
def test_a_bad_body_is_a_problem(client, person, what, body, content_type, status):
    assert_problem(client.generic("POST", "/things", body, content_type, **person), status)


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
def test_a_wrong_field_is_named_with_its_code(client, person, body, field, code):
    problem = assert_problem(client.post("/things", body, content_type="application/json", **person), 400, "invalid")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]


def test_several_wrong_fields_are_all_named_at_once(client, person):
    response = client.post("/things", {"name": "", "extra": 1}, content_type="application/json", **person)
    assert {error["field"] for error in assert_problem(response, 400)["errors"]} == {"name", "count", "extra"}


@pytest.mark.parametrize("what", sorted(bad_tokens()))
def test_a_bad_token_is_refused(client, what):
    response = client.post(
        "/things", {}, content_type="application/json", HTTP_AUTHORIZATION=f"Bearer {bad_tokens()[what]}"
    )
    assert_problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer a b", "Bearer ü"])
def test_a_missing_or_malformed_token_is_refused(client, header):
    headers = {} if header is None else {"HTTP_AUTHORIZATION": header}
    assert_problem(client.post("/things", {}, content_type="application/json", **headers), 401)


def test_a_service_token_names_the_service(client):
    response = client.get("/internal", HTTP_AUTHORIZATION="Bearer token-of-orders")
    assert response.json() == {"service": "orders"}


@pytest.mark.parametrize("token", ["token-of-nobody", "token-of-order", access_token()])
def test_anything_but_a_service_token_is_refused_on_the_internal_api(client, token):
    assert_problem(client.get("/internal", HTTP_AUTHORIZATION=f"Bearer {token}"), 401)


def test_a_domain_problem_keeps_its_code_its_members_and_its_retry_after(client):
    response = client.get("/failing/problem")
    problem = assert_problem(response, 409, "out_of_stock")
    assert (problem["product_ids"], response["Retry-After"]) == (["a"], "3")


def test_a_crash_is_a_problem_that_tells_nothing(client):
    response = client.get("/failing/crash")
    assert_problem(response, 500, "internal_error")
    assert b"secret" not in response.content


def test_an_unknown_path_is_a_problem(client):
    assert_problem(client.get("/nothing-here"), 404, "not_found")


def test_an_invalid_host_is_a_problem(client):
    assert_problem(client.get("/livez", HTTP_HOST="evil.example"), 400, "bad_request")


@pytest.mark.parametrize(
    ("length", "status"), [("abc", 400), ("-1", 400), ("1e3", 400), ("٣", 400), ("65537", 413), ("9" * 40, 413)]
)
def test_a_bad_content_length_is_a_problem(client, person, length, status):
    response = client.generic("POST", "/things", b"{}", "application/json", CONTENT_LENGTH=length, **person)
    assert_problem(response, status)


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client, person):
    response = client.get("/things", **person)
    assert_problem(response, 405)
    assert "POST" in response["Allow"]


def test_live_asks_nobody_and_ready_names_what_is_missing(client):
    urls.broken.append(ConnectionError("no"))
    try:
        assert client.get("/livez").status_code == 200
        problem = assert_problem(client.get("/readyz"), 503, "not_ready")
    finally:
        urls.broken.clear()
    assert problem["missing"] == ["thing"]
    assert client.get("/readyz").json() == {"status": "ready", "checks": ["thing"]}


def test_the_schema_is_public_and_documents_the_problems(client):
    schema = client.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    responses = schema["paths"]["/things"]["post"]["responses"]
    assert {"400", "401", "413", "415"} <= set(responses)
    assert list(responses["400"]["content"]) == ["application/problem+json"]
