"""POST /api/v1/token and /api/v1/token/refresh."""

from __future__ import annotations

import json
import statistics
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from accounts import metrics, sessions
from accounts.keys import key_ring
from accounts.models import Session, Throttle, User
from accounts.tokens import AccessToken, RefreshToken
from conftest import PASSWORD
from contracts.testing import tokens
from contracts.testing.bodies import BAD_BODIES, assert_problem
from django.test import Client
from django.utils import timezone
from jwt.algorithms import RSAAlgorithm

ADDRESSES = ["/api/v1/token", "/api/v1/token/refresh"]

pytestmark = pytest.mark.django_db


def log_in(client: Client, email: str, password: str) -> Any:
    return client.post("/api/v1/token", {"email": email, "password": password}, content_type="application/json")


def refresh(client: Client, token: str) -> Any:
    return client.post("/api/v1/token/refresh", {"refresh": token}, content_type="application/json")


def verified_by_jwks(client: Client, token: str) -> dict[str, Any]:
    """Return the token's claims, verified as another service does: with the published keys only."""
    keys = {key["kid"]: key for key in client.get("/.well-known/jwks.json").json()["keys"]}
    public_key: Any = RSAAlgorithm.from_jwk(json.dumps(keys[jwt.get_unverified_header(token)["kid"]]))
    return jwt.decode(token, public_key, algorithms=["RS256"], audience=tokens.TEST_AUDIENCE, issuer=tokens.TEST_ISSUER)


def count(outcome: str) -> float:
    return metrics.logins_total.labels(outcome)._value.get()


def test_a_login_issues_an_access_token_that_the_published_keys_verify(client: Client, user: User) -> None:
    before = count("ok")
    response = log_in(client, user.email.upper(), PASSWORD)
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    claims = verified_by_jwks(client, response.json()["access"])
    assert claims["user_id"] == str(user.id)
    assert claims["token_type"] == "access"
    # The library reads the clock twice, and a second may end in between.
    assert claims["exp"] - claims["iat"] in (15 * 60 - 1, 15 * 60)
    assert verified_by_jwks(client, response.json()["refresh"])["token_type"] == "refresh"
    assert count("ok") == before + 1


def test_an_access_token_contains_no_personal_data(client: Client, user: User) -> None:
    claims = verified_by_jwks(client, log_in(client, user.email, PASSWORD).json()["access"])
    assert set(claims) == {"token_type", "exp", "iat", "jti", "user_id", "iss", "aud"}


def without_ids(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in ("trace_id", "request_id")}


def test_wrong_password_unknown_address_and_inactive_account_get_the_same_response(client: Client, user: User) -> None:
    wrong = log_in(client, user.email, "not the password")
    unknown = log_in(client, "unknown@example.com", PASSWORD)
    User.objects.update(is_active=False)
    inactive = log_in(client, user.email, PASSWORD)
    problem = assert_problem(wrong, 401, "invalid_credentials")
    assert wrong["WWW-Authenticate"] == 'Bearer realm="api"'
    for other in (unknown, inactive):
        assert without_ids(assert_problem(other, 401)) == without_ids(problem)
        assert {name for name, _ in other.items()} == {name for name, _ in wrong.items()}


def test_each_refused_login_is_counted_by_its_reason(client: Client, user: User) -> None:
    before = {outcome: count(outcome) for outcome in metrics.LOGIN_OUTCOMES}
    log_in(client, user.email, "not the password")
    log_in(client, "unknown@example.com", PASSWORD)
    User.objects.update(is_active=False)
    log_in(client, user.email, PASSWORD)
    grown = {outcome: count(outcome) - before[outcome] for outcome in metrics.LOGIN_OUTCOMES}
    assert grown == {"ok": 0, "invalid_credentials": 2, "inactive": 1, "throttled": 0}


def test_an_unknown_address_takes_as_long_as_a_wrong_password(client: Client, user: User) -> None:
    def milliseconds(email: str) -> float:
        Throttle.objects.all().delete()
        start = time.thread_time()
        log_in(client, email, "not the password")
        return (time.thread_time() - start) * 1000

    milliseconds(user.email)
    known = statistics.median(milliseconds(user.email) for _ in range(7))
    unknown = statistics.median(milliseconds("unknown@example.com") for _ in range(7))
    assert 0.6 < unknown / known < 1.6, f"expected about the same, got known {known:.1f} ms, unknown {unknown:.1f} ms"


def test_a_refresh_issues_new_tokens_without_extending_the_session(client: Client, user: User) -> None:
    token = log_in(client, user.email, PASSWORD).json()["refresh"]
    response = refresh(client, token)
    assert response.status_code == 200, response.content
    replaced = response.json()["refresh"]
    assert replaced != token
    assert verified_by_jwks(client, replaced)["exp"] == verified_by_jwks(client, token)["exp"]
    assert refresh(client, replaced).status_code == 200
    claims = verified_by_jwks(client, response.json()["access"])
    assert (claims["user_id"], claims["token_type"]) == (str(user.id), "access")


def test_a_renewal_whose_answer_was_lost_can_be_repeated(client: Client, user: User) -> None:
    token = log_in(client, user.email, PASSWORD).json()["refresh"]
    first = refresh(client, token).json()["refresh"]
    assert refresh(client, token).json()["refresh"] == first


def test_a_replaced_token_that_is_sent_later_ends_the_session(client: Client, user: User) -> None:
    before = metrics.refresh_tokens_reused_total._value.get()
    token = log_in(client, user.email, PASSWORD).json()["refresh"]
    newer = refresh(client, token).json()["refresh"]
    Session.objects.update(rotated_at=timezone.now() - timedelta(seconds=11))
    assert_problem(refresh(client, token), 401, "token_invalid")
    assert_problem(refresh(client, newer), 401, "token_invalid")
    assert metrics.refresh_tokens_reused_total._value.get() == before + 1


def test_a_log_out_ends_one_session(client: Client, user: User) -> None:
    token, other = (log_in(client, user.email, PASSWORD).json()["refresh"] for _ in range(2))
    for _ in range(2):
        answer = client.post("/api/v1/token/revoke", {"refresh": token}, content_type="application/json")
        assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(refresh(client, token), 401, "token_invalid")
    assert refresh(client, other).status_code == 200


def test_a_token_without_a_session_is_refused(client: Client, user: User) -> None:
    assert_problem(refresh(client, str(RefreshToken.for_user(user))), 401, "token_invalid")


def test_a_login_deletes_the_expired_sessions_of_its_user(client: Client, user: User) -> None:
    log_in(client, user.email, PASSWORD)
    Session.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    log_in(client, user.email, PASSWORD)
    assert Session.objects.count() == 1


def test_an_access_token_is_not_accepted_as_a_refresh_token(client: Client, user: User) -> None:
    assert_problem(refresh(client, str(AccessToken.for_user(user))), 401, "token_invalid")


def test_an_expired_refresh_token_is_reported_as_expired(client: Client, user: User) -> None:
    token = RefreshToken.for_user(user)
    token.set_exp(lifetime=timedelta(seconds=-1))
    assert_problem(refresh(client, str(token)), 401, "token_expired")


@pytest.mark.parametrize("change", ["inactive", "deleted"])
def test_an_inactive_or_deleted_account_gets_no_new_token(client: Client, user: User, change: str) -> None:
    token = refresh(client, sessions.begin(user).refresh).json()["refresh"]
    if change == "deleted":
        user.delete()
    else:
        User.objects.update(is_active=False)
    assert_problem(refresh(client, token), 401, "token_invalid")


@pytest.mark.parametrize("what", sorted(tokens.bad_tokens()))
def test_an_invalid_refresh_token_is_refused(client: Client, what: str) -> None:
    claims = {"token_type": "refresh"} if what not in ("a refresh token",) else {"token_type": "access"}
    assert_problem(refresh(client, {**tokens.bad_tokens(), "expired": _expired(**claims)}[what]), 401)


def _expired(**claims: Any) -> str:
    return tokens.access_token(exp=int(time.time()) - 10, **claims)


def test_a_refresh_token_whose_user_is_not_a_uuid_is_refused(client: Client) -> None:
    token = tokens.access_token("no uuid", token_type="refresh")
    assert_problem(refresh(client, token), 401, "token_invalid")


def test_a_token_signed_by_an_unknown_key_is_refused(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session.objects.create(user=user, token_id="one", expires_at=timezone.now() + timedelta(days=1))

    def token() -> str:
        return tokens.access_token(str(user.id), token_type="refresh", sid=str(session.id), jti="one")

    assert refresh(client, token()).status_code == 200
    monkeypatch.setattr(tokens, "KEY_ID", "unknown")
    assert key_ring().key_id != "unknown"
    assert_problem(refresh(client, token()), 401, "token_invalid")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("what", "body", "content_type", "status"), BAD_BODIES, ids=[bad[0] for bad in BAD_BODIES])
def test_an_invalid_body_is_refused(
    client: Client, address: str, what: str, body: bytes, content_type: str, status: int
) -> None:
    assert_problem(client.post(address, body, content_type=content_type), status)


@pytest.mark.parametrize(
    ("address", "body", "field", "code"),
    [
        ("/api/v1/token", {"email": "a@example.com"}, "password", "required"),
        ("/api/v1/token", {"password": PASSWORD}, "email", "required"),
        ("/api/v1/token", {"email": 5, "password": PASSWORD}, "email", "invalid"),
        ("/api/v1/token", {"email": "a@example.com", "password": True}, "password", "invalid"),
        ("/api/v1/token", {"email": "a@example.com", "password": "x" * 129}, "password", "max_length"),
        (
            "/api/v1/token",
            {"email": "a@example.com", "password": "a\u0000b"},
            "password",
            "null_characters_not_allowed",
        ),
        ("/api/v1/token", {"email": "a@example.com", "password": PASSWORD, "x": 1}, "x", "unknown_field"),
        ("/api/v1/token/refresh", {}, "refresh", "required"),
        ("/api/v1/token/refresh", {"refresh": None}, "refresh", "null"),
        ("/api/v1/token/refresh", {"refresh": {}}, "refresh", "invalid"),
        ("/api/v1/token/refresh", {"refresh": "x" * 4097}, "refresh", "max_length"),
        ("/api/v1/token/refresh", {"refresh": "x", "access": "y"}, "access", "unknown_field"),
    ],
)
def test_an_invalid_field_is_named(client: Client, address: str, body: dict[str, Any], field: str, code: str) -> None:
    problem = assert_problem(client.post(address, body, content_type="application/json"), 400, "invalid")
    assert (field, code) in {(error["field"], error["code"]) for error in problem["errors"]}, problem
