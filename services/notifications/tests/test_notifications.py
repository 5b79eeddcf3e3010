"""The list of the caller's own notifications."""

from __future__ import annotations

import base64
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from contracts.testing.bodies import assert_problem
from contracts.testing.plugin import SERVICE_TOKENS
from contracts.testing.tokens import access_token, bad_tokens
from django.test import Client
from django.utils import timezone
from mailing.models import Kind

from tests.conftest import TRACE_ID, kept, person

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/notifications"


def test_a_user_lists_their_notifications_newest_first() -> None:
    me, now = uuid.uuid4(), timezone.now()
    older = kept(me, sent_at=now - timedelta(hours=1))
    newer = kept(me, sent_at=now, kind=Kind.ORDER_CANCELLED)
    kept(uuid.uuid4())
    response = person(me).get(ADDRESS)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["next"], answer["previous"]) == (None, None)
    assert [entry["id"] for entry in answer["results"]] == [str(newer.id), str(older.id)]
    assert answer["results"][0] == {
        "id": str(newer.id),
        "order_id": str(newer.order_id),
        "kind": "order_cancelled",
        "sent_at": answer["results"][0]["sent_at"],
        "trace_id": TRACE_ID,
    }


def test_notifications_of_other_users_are_not_visible() -> None:
    recipient = uuid.uuid4()
    kept(recipient)
    other = person(uuid.uuid4())
    for query in ("", f"?user_id={recipient}", f"?user={recipient}"):
        assert other.get(ADDRESS + query).json()["results"] == []


def test_pages_show_each_notification_once() -> None:
    me, now = uuid.uuid4(), timezone.now()
    # Several with the same timestamp: a page may end among them.
    rows = {str(kept(me, sent_at=now - timedelta(seconds=number // 3)).id) for number in range(25)}
    client = person(me)
    seen: list[str] = []
    address: str | None = f"{ADDRESS}?page_size=10"
    while address:
        page = client.get(address).json()
        seen += [entry["id"] for entry in page["results"]]
        address = page["next"]
    assert len(seen) == 25
    assert set(seen) == rows


@pytest.mark.parametrize("size", ["0", "-1", "101", "many", "", "1.0", "9" * 30, "\x00"])
def test_an_invalid_page_size_is_refused(size: str) -> None:
    problem = assert_problem(person(uuid.uuid4()).get(f"{ADDRESS}?{urlencode({'page_size': size})}"), 400, "invalid")
    assert problem["errors"][0]["field"] == "page_size"


def _cursor(**parts: str) -> str:
    return base64.b64encode(urlencode(parts).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "no base64",
        "ä",
        _cursor(p="yesterday"),
        _cursor(p="99999-01-01"),
        _cursor(o="many"),
        _cursor(p="\x00"),
        _cursor(o="-5"),
    ],
)
def test_a_forged_cursor_is_not_found(cursor: str) -> None:
    me = uuid.uuid4()
    kept(me)
    assert_problem(person(me).get(f"{ADDRESS}?{urlencode({'cursor': cursor})}"), 404, "not_found")


@pytest.mark.parametrize("token", bad_tokens().items(), ids=lambda item: item[0])
def test_an_invalid_token_is_refused(token: tuple[str, str]) -> None:
    wrong, value = token
    response = Client(headers={"Authorization": f"Bearer {value}"}).get(ADDRESS)
    assert_problem(response, 401, "token_expired" if wrong == "expired" else "token_invalid")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("user_id", ["7", "not-a-uuid", "x" * 100])
def test_a_token_without_a_valid_user_id_is_refused(user_id: str) -> None:
    assert_problem(person(user_id).get(ADDRESS), 401, "token_invalid")


def test_a_service_token_is_refused() -> None:
    client = Client(headers={"Authorization": f"Bearer {SERVICE_TOKENS['orders']}"})
    assert_problem(client.get(ADDRESS), 401, "token_invalid")


@pytest.mark.parametrize("header", [{}, {"Authorization": f"Basic {access_token()}"}])
def test_a_request_without_a_token_is_refused(header: dict[str, str]) -> None:
    assert_problem(Client(headers=header).get(ADDRESS), 401, "not_authenticated")


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer ü"])
def test_a_malformed_header_is_refused(header: str) -> None:
    assert_problem(Client(headers={"Authorization": header}).get(ADDRESS), 401, "malformed_authorization")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_an_unsupported_method_is_refused(method: str) -> None:
    response: Any = getattr(person(uuid.uuid4()), method)(ADDRESS, {}, content_type="application/json")
    assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_another_media_type_is_refused() -> None:
    assert_problem(person(uuid.uuid4()).get(ADDRESS, headers={"Accept": "text/html"}), 406)
