"""POST /api/v1/users."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from accounts import metrics
from accounts.models import User
from contracts.testing.bodies import BAD_BODIES, assert_problem
from django.db import IntegrityError, connection, transaction
from django.test import Client

BODY = {"email": "Ada@Example.com", "password": "a long and rare passphrase", "name": "Ada Lovelace"}
ADDRESS = "/api/v1/users"

pytestmark = pytest.mark.django_db


def post(client: Client, body: Any) -> Any:
    return client.post(ADDRESS, body, content_type="application/json")


def test_a_user_signs_up_and_only_an_argon2_hash_of_the_password_is_stored(client: Client) -> None:
    before = metrics.users_signed_up_total._value.get()
    response = post(client, BODY)
    assert response.status_code == 201, response.content
    user = User.objects.get()
    assert response.json() == {"id": str(user.id), "email": "ada@example.com", "name": "Ada Lovelace"}
    assert response["Cache-Control"] == "no-store"
    assert user.is_active
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=5,p=1$")
    assert user.check_password(BODY["password"])
    assert metrics.users_signed_up_total._value.get() == before + 1


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "aDa@eXample.com"])
def test_a_second_account_for_an_address_is_refused_regardless_of_case(client: Client, email: str) -> None:
    post(client, BODY)
    assert_problem(post(client, {**BODY, "email": email}), 409, "email_taken")
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_sign_ups_with_one_address_only_one_succeeds() -> None:
    start = threading.Barrier(4)
    statuses: list[int] = []

    def sign_up() -> None:
        start.wait(timeout=10)
        try:
            statuses.append(post(Client(), BODY).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(statuses) == [201, 409, 409, 409]
    assert User.objects.count() == 1


def test_a_database_constraint_rejects_an_address_in_upper_case() -> None:
    with pytest.raises(IntegrityError, match="user_email_is_lower_case"), transaction.atomic():
        User.objects.create(email="Ada@example.com", name="Ada")


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"email": "no address"}, "email", "invalid"),
        ({"email": "a@" + "x" * 250 + ".com"}, "email", "max_length"),
        ({"email": "a\u0000b@example.com"}, "email", "invalid"),
        ({"email": ""}, "email", "blank"),
        ({"email": None}, "email", "null"),
        ({"email": 5}, "email", "invalid"),
        ({"email": ["a@example.com"]}, "email", "invalid"),
        ({"password": "short one"}, "password", "min_length"),
        ({"password": "password1234"}, "password", "password_too_common"),
        ({"password": " " * 10}, "password", "password_too_uniform"),
        ({"password": "a" * 128}, "password", "password_too_uniform"),
        ({"password": "passwordpassword"}, "password", "password_too_common"),
        ({"password": "ada@example.com"}, "password", "password_too_similar"),
        ({"password": "x" * 129}, "password", "max_length"),
        ({"password": 12345678901}, "password", "invalid"),
        ({"name": ""}, "name", "blank"),
        ({"name": " Ada"}, "name", "invalid"),
        ({"name": "Ada\nBcc: all@example.com"}, "name", "invalid"),
        ({"name": "A" * 201}, "name", "max_length"),
        ({"name": True}, "name", "invalid"),
        ({"is_active": False}, "is_active", "unknown_field"),
        ({"id": "8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10"}, "id", "unknown_field"),
    ],
)
def test_an_invalid_field_is_named(client: Client, change: dict[str, Any], field: str, code: str) -> None:
    problem = assert_problem(post(client, {**BODY, **change}), 400, "invalid")
    assert (field, code) in {(error["field"], error["code"]) for error in problem["errors"]}, problem
    assert not User.objects.exists()


@pytest.mark.parametrize("missing", ["email", "password", "name"])
def test_a_missing_field_is_named(client: Client, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    problem = assert_problem(post(client, body), 400, "invalid")
    assert problem["errors"] == [{"field": missing, "code": "required", "message": "This field is required."}]


@pytest.mark.parametrize(("what", "body", "content_type", "status"), BAD_BODIES, ids=[bad[0] for bad in BAD_BODIES])
def test_an_invalid_body_is_refused(client: Client, what: str, body: bytes, content_type: str, status: int) -> None:
    assert_problem(client.post(ADDRESS, body, content_type=content_type), status)
    assert not User.objects.exists()


def test_a_response_never_contains_the_password(client: Client) -> None:
    for change in ({}, {"email": "no address"}, {"name": 5}):
        assert BODY["password"] not in post(client, {**BODY, **change}).content.decode()
