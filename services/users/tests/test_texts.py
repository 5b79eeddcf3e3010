"""What sign-up stores is what every service accepts (contracts.text)."""

from __future__ import annotations

import pytest
from accounts.api.serializers import SignUpSerializer
from accounts.models import User
from contracts import text
from contracts.testing.bodies import assert_problem
from contracts.testing.texts import emails, names
from django.test import Client
from hypothesis import given, settings

PASSWORD = "a long and rare passphrase"


@settings(max_examples=500, deadline=None)
@given(emails(), names())
def test_every_accepted_address_and_name_is_in_its_normal_form(address: str, name: str) -> None:
    body = SignUpSerializer(data={"email": address, "password": PASSWORD, "name": name})
    if not body.is_valid():
        return
    assert text.email(body.validated_data["email"]) == body.validated_data["email"]
    assert text.name(body.validated_data["name"]) == body.validated_data["name"]
    assert User.objects.normalize_email(address) == body.validated_data["email"]


@pytest.mark.django_db
@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u202e", "\u200b", "\x1b", "\x85"], ids=ascii)
@pytest.mark.parametrize("field", ["email", "password", "name"])
def test_no_field_accepts_control_separator_or_bidirectional_characters(
    client: Client, field: str, character: str
) -> None:
    body = {"email": "x@example.com", "password": PASSWORD, "name": "Ada"}
    body[field] += character
    problem = assert_problem(client.post("/api/v1/users", body, content_type="application/json"), 400, "invalid")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, "invalid")]
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["\u0130x@example.com", "a@localhost", "a@[127.0.0.1]"], ids=ascii)
def test_an_address_that_gets_no_mail_is_refused(client: Client, address: str) -> None:
    body = {"email": address, "password": PASSWORD, "name": "Ada"}
    assert_problem(client.post("/api/v1/users", body, content_type="application/json"), 400, "invalid")


@pytest.mark.django_db
def test_an_account_older_than_the_rules_still_logs_in(client: Client) -> None:
    user = User(email="a@localhost", name="Ada")
    user.set_password("control \x1b character")
    user.save()
    body = {"email": "A@localhost", "password": "control \x1b character"}
    assert client.post("/api/v1/token", body, content_type="application/json").status_code == 200
