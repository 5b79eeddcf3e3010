"""An invalid request gets a specific 4xx, and leaves nothing behind."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from contracts.testing.bodies import BAD_BODIES, assert_problem
from contracts.testing.plugin import SERVICE_TOKENS
from contracts.testing.tokens import access_token, bad_tokens
from django.test import Client
from ordering.models import IdempotencyKey, Order

from tests.conftest import Shopper, World

pytestmark = pytest.mark.django_db

PRODUCT = str(uuid.uuid4())
GOOD_ITEM = {"product_id": PRODUCT, "quantity": 1}
ORDERS = "/api/v1/orders"

BAD_MEMBERS: list[tuple[str, Any, str]] = [
    ("no items", {"items": []}, "items"),
    ("51 items", {"items": [{"product_id": str(uuid.uuid4()), "quantity": 1} for _ in range(51)]}, "items"),
    ("items as an object", {"items": {"0": GOOD_ITEM}}, "items"),
    ("items as a string", {"items": "abc"}, "items"),
    ("items null", {"items": None}, "items"),
    ("an item as a string", {"items": ["abc"]}, "items.0"),
    ("an item as a list", {"items": [[GOOD_ITEM]]}, "items.0"),
    ("an item null", {"items": [None]}, "items.0"),
    ("a product twice", {"items": [GOOD_ITEM, GOOD_ITEM]}, "items"),
    (
        "a product twice, spelled differently",
        {"items": [GOOD_ITEM, {**GOOD_ITEM, "product_id": PRODUCT.upper()}]},
        "items",
    ),
    ("no product", {"items": [{"quantity": 1}]}, "items.0.product_id"),
    ("a number as product", {"items": [{**GOOD_ITEM, "product_id": 5}]}, "items.0.product_id"),
    ("no UUID as product", {"items": [{**GOOD_ITEM, "product_id": "abc"}]}, "items.0.product_id"),
    ("no quantity", {"items": [{"product_id": PRODUCT}]}, "items.0.quantity"),
    ("quantity 0", {"items": [{**GOOD_ITEM, "quantity": 0}]}, "items.0.quantity"),
    ("a negative quantity", {"items": [{**GOOD_ITEM, "quantity": -1}]}, "items.0.quantity"),
    ("quantity 101", {"items": [{**GOOD_ITEM, "quantity": 101}]}, "items.0.quantity"),
    ("a huge quantity", {"items": [{**GOOD_ITEM, "quantity": 10**400}]}, "items.0.quantity"),
    ("a fraction", {"items": [{**GOOD_ITEM, "quantity": 1.5}]}, "items.0.quantity"),
    ("quantity 1.0", {"items": [{**GOOD_ITEM, "quantity": 1.0}]}, "items.0.quantity"),
    ("quantity as a string", {"items": [{**GOOD_ITEM, "quantity": "1"}]}, "items.0.quantity"),
    ("quantity true", {"items": [{**GOOD_ITEM, "quantity": True}]}, "items.0.quantity"),
    ("a member of an item too many", {"items": [{**GOOD_ITEM, "price": "0.01"}]}, "items.0.price"),
    ("a member too many", {"total": "0.01"}, "total"),
    ("token null", {"payment_token": None}, "payment_token"),
    ("token empty", {"payment_token": ""}, "payment_token"),
    ("token as a number", {"payment_token": 5}, "payment_token"),
    ("another kind of token", {"payment_token": "card_ok"}, "payment_token"),
    ("a token with upper case", {"payment_token": "tok_OK"}, "payment_token"),
    ("a token with a line break", {"payment_token": "tok_ok\n"}, "payment_token"),
    ("a token that is too long", {"payment_token": "tok_" + "a" * 61}, "payment_token"),
    ("a token with NUL", {"payment_token": "tok_\x00"}, "payment_token"),
]


def assert_nothing_left(world: World) -> None:
    assert not Order.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert (world.users.requests, world.inventory.calls, world.payments.requests) == ([], [], [])


@pytest.mark.parametrize(("change", "where"), [case[1:] for case in BAD_MEMBERS], ids=[case[0] for case in BAD_MEMBERS])
def test_an_invalid_member_is_named(change: dict[str, Any], where: str, shopper: Shopper, world: World) -> None:
    body = {"items": [GOOD_ITEM], "payment_token": "tok_ok", **change}
    problem = assert_problem(shopper.order(body), 400, "invalid")
    assert {error["field"].split(".non_field")[0] for error in problem["errors"]} == {where}, problem["errors"]
    assert_nothing_left(world)


def test_all_missing_members_are_named(shopper: Shopper, world: World) -> None:
    problem = assert_problem(shopper.order({}), 400, "invalid")
    assert {error["field"] for error in problem["errors"]} == {"items", "payment_token"}
    assert_nothing_left(world)


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [case[1:] for case in BAD_BODIES], ids=[case[0] for case in BAD_BODIES]
)
def test_an_invalid_body_is_refused(
    body: bytes, content_type: str, status: int, shopper: Shopper, world: World
) -> None:
    response = shopper.client.post(ORDERS, body, content_type=content_type, headers={"idempotency-key": "k"})
    assert_problem(response, status)
    assert_nothing_left(world)


@pytest.mark.parametrize("token", bad_tokens().values(), ids=list(bad_tokens()))
@pytest.mark.parametrize(("method", "path"), [("get", ORDERS), ("post", ORDERS), ("get", f"{ORDERS}/{PRODUCT}")])
def test_an_invalid_token_is_refused(token: str, method: str, path: str, world: World) -> None:
    client = Client(headers={"authorization": f"Bearer {token}"})
    response = getattr(client, method)(path, headers={"idempotency-key": "k"})
    assert_problem(response, 401)
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert_nothing_left(world)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer a b", "Basic dXNlcjpwYXNz", "Bearer ü"])
@pytest.mark.parametrize(("method", "path"), [("get", ORDERS), ("post", ORDERS), ("get", f"{ORDERS}/{PRODUCT}")])
def test_without_a_token_nothing_is_returned(header: str | None, method: str, path: str) -> None:
    headers = {} if header is None else {"authorization": header}
    assert_problem(getattr(Client(), method)(path, headers=headers), 401)


def test_a_service_token_is_not_a_user_token() -> None:
    client = Client(headers={"authorization": f"Bearer {SERVICE_TOKENS['console']}"})
    assert_problem(client.get(ORDERS), 401)


def test_a_token_whose_user_is_no_uuid_is_refused() -> None:
    client = Client(headers={"authorization": f"Bearer {access_token('another-user')}"})
    for path in (ORDERS, f"{ORDERS}/{PRODUCT}"):
        assert_problem(client.get(path), 401, "token_invalid")
    response = client.post(ORDERS, {}, content_type="application/json", headers={"idempotency-key": "k"})
    assert_problem(response, 401, "token_invalid")


@pytest.mark.parametrize(
    ("method", "path"), [("put", ORDERS), ("patch", ORDERS), ("delete", ORDERS), ("post", f"{ORDERS}/{PRODUCT}")]
)
def test_other_methods_are_refused(method: str, path: str, shopper: Shopper) -> None:
    response = getattr(shopper.client, method)(path)
    assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_another_media_type_is_refused(shopper: Shopper) -> None:
    response = shopper.client.get(ORDERS, headers={"accept": "text/html"})
    assert_problem(response, 406)
