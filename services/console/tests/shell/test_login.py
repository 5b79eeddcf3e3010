"""Login, logout, lockout and cookies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(client: Client, name: str, password: str, **extra: str) -> int:
    """Submit the form; returns the status of the response."""
    return client.post("/login", {"username": name, "password": password, **extra}).status_code


def test_an_anonymous_user_is_sent_to_the_login_and_back(viewer: User) -> None:
    client = Client()
    sent = client.get("/runbooks?x=1")
    assert sent.status_code == 302
    assert sent.headers["Location"] == "/login?next=/runbooks%3Fx%3D1"
    answer = client.post(
        sent.headers["Location"], {"username": viewer.username, "password": PASSWORD, "next": "/runbooks"}
    )
    assert answer.headers["Location"] == "/runbooks"


def test_the_login_redirects_to_no_other_host(viewer: User) -> None:
    answer = Client().post(
        "/login", {"username": viewer.username, "password": PASSWORD, "next": "https://elsewhere.example/"}
    )
    assert answer.headers["Location"] == "/"


def test_a_fragment_of_an_anonymous_user_sends_the_whole_page_to_the_login() -> None:
    headers = {"hx-request": "true", "hx-current-url": "http://testserver/services?from=now-3h"}
    answer = Client().get("/topology/state", headers=headers)
    assert answer.headers["HX-Redirect"] == "/login?next=%2Fservices%3Ffrom%3Dnow-3h"


def test_a_script_of_an_anonymous_user_is_refused_in_json() -> None:
    answer = Client().get("/palette", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (401, {"error": "log in first"})


def test_five_wrong_passwords_lock_the_login_even_for_the_right_one(viewer: User) -> None:
    client = Client()
    assert [log_in(client, viewer.username, "wrong") for _ in range(5)] == [200, 200, 200, 200, 429]
    refused = client.post("/login", {"username": viewer.username, "password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "_auth_user_id" not in client.session


def test_behind_a_proxy_an_attacker_does_not_lock_the_owner_out(viewer: User, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)
    attacker, owner = ("1.1.1.1, 203.0.113.7", "198.51.100.9")
    for _ in range(6):
        refused = log_in(Client(headers={"x-forwarded-for": attacker}), viewer.username, "wrong")
    assert refused == 429
    assert log_in(Client(headers={"x-forwarded-for": "2.2.2.2, 203.0.113.7"}), viewer.username, PASSWORD) == 429
    assert log_in(Client(headers={"x-forwarded-for": owner}), viewer.username, PASSWORD) == 302


def test_without_a_trusted_proxy_the_header_is_ignored(viewer: User) -> None:
    for number in range(6):
        refused = log_in(Client(headers={"x-forwarded-for": f"1.1.1.{number}"}), viewer.username, "wrong")
    assert refused == 429


def test_wrong_passwords_for_one_name_do_not_lock_out_others(viewer: User, responder: User) -> None:
    client = Client()
    for _ in range(5):
        log_in(client, viewer.username, "wrong")
    assert log_in(client, responder.username, PASSWORD) == 302


def test_a_post_without_the_csrf_token_is_refused(viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert log_in(client, viewer.username, PASSWORD) == 403


def test_logging_out_ends_the_session(viewer_client: Client) -> None:
    assert viewer_client.get("/runbooks").status_code == 200
    viewer_client.post("/logout")
    assert viewer_client.get("/runbooks").status_code == 302


def test_a_get_does_not_log_out(viewer_client: Client) -> None:
    assert viewer_client.get("/logout").status_code == 405
    assert viewer_client.get("/runbooks").status_code == 200


def test_cookies_are_not_accessible_to_scripts(viewer: User) -> None:
    client = Client()
    log_in(client, viewer.username, PASSWORD)
    for name in ("console_session", "console_csrf"):
        cookie = client.cookies[name]
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name


def test_health_requires_no_login() -> None:
    assert Client().get("/livez").json() == {"status": "alive"}
    assert Client().get("/readyz").status_code == 200
