"""A client that sends bad requests. Every response must be the correct 4xx with the ids that lead to its trace."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

from locust import between, task

from load.shopper import Shopper

LARGER_THAN_ALLOWED = b'{"payment_token": "' + b"x" * 70_000 + b'"}'
# Three parts in the correct format, without a valid signature.
UNKNOWN_SIGNER = (
    "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwidXNlcl9pZCI6Im1lIn0.bm90LWEtc2lnbmF0dXJl"
)


@dataclass(frozen=True)
class BadOrder:
    """A body that orders must refuse, and the expected refusal."""

    what: str
    body: bytes
    status: int
    headers: dict[str, str] = field(default_factory=dict)


def _order_of(quantity: str) -> bytes:
    return b'{"items": [{"product_id": "%s", "quantity": %s}], "payment_token": "tok_ok"}' % (
        str(uuid.uuid4()).encode(),
        quantity.encode(),
    )


BAD_ORDERS = (
    BadOrder("over the size limit", LARGER_THAN_ALLOWED, 413),
    BadOrder("cut off", b'{"items": [', 400),
    BadOrder("not UTF-8", b'{"payment_token": "\xff\xfe"}', 400),
    BadOrder("nested too deep", b"[" * 20_000, 400),
    BadOrder("a list", b"[]", 400),
    BadOrder("a number for a list", b'{"items": 7, "payment_token": "tok_ok"}', 400),
    BadOrder("a string for a number", _order_of('"2"'), 400),
    BadOrder("a negative quantity", _order_of("-1"), 400),
    BadOrder("a huge quantity", _order_of("9" * 30), 400),
    BadOrder("an unknown member", b'{"items": [], "payment_token": "tok_ok", "discount": "100%"}', 400),
    BadOrder("a form", b"items=1", 415, {"Content-Type": "application/x-www-form-urlencoded"}),
)


class Misbehaving(Shopper):
    """Sends every kind of bad input seen from HTTP clients. Anything but the expected refusal is a failure."""

    weight = 1
    wait_time = between(1.0, 2.0)

    @task(4)
    def send_a_bad_order(self) -> None:
        """Send a malformed, oversized or mistyped order."""
        bad = random.choice(BAD_ORDERS)
        headers = {**self.credentials(), "Idempotency-Key": str(uuid.uuid4()), **bad.headers}
        self.orders.post(
            "/api/v1/orders", route=f"bad order: {bad.what}", payload=bad.body, headers=headers, expect=bad.status
        )

    @task(1)
    def show_a_forged_token(self) -> None:
        """Expect 401 for a forged token on personal data."""
        door, path = random.choice(
            (
                (self.users, "/api/v1/users/me"),
                (self.orders, "/api/v1/orders"),
                (self.notifications, "/api/v1/notifications"),
            )
        )
        door.get(path, route="forged token", headers={"Authorization": f"Bearer {UNKNOWN_SIGNER}"}, expect=401)

    @task(1)
    def reuse_an_idempotency_key(self) -> None:
        """Expect 422 for the same key with another body."""
        key = str(uuid.uuid4())
        lines = self.fill_cart()
        self.place_order(lines, idempotency_key=key)
        more = [{**line, "quantity": line["quantity"] + 1} for line in lines]
        self.place_order(more, idempotency_key=key, expect=422, code="idempotency_key_reused")

    @task(1)
    def forget_the_idempotency_key(self) -> None:
        """Expect 400 for an order without its key."""
        self.orders.post(
            "/api/v1/orders",
            route="no idempotency key",
            payload={"items": self.fill_cart(), "payment_token": "tok_ok"},
            headers=self.credentials(),
            expect=400,
        )

    @task(1)
    def name_another_host(self) -> None:
        """Expect 400 for an unknown Host."""
        door = random.choice((self.users, self.inventory, self.orders, self.notifications))
        door.get("/api/v1/products", route="invalid Host", headers={"Host": "elsewhere.example"}, expect=400)

    @task(1)
    def ask_for_what_does_not_exist(self) -> None:
        """Expect 404 for unknown ids and unknown paths."""
        self.inventory.get(f"/api/v1/products/{uuid.uuid4()}", route="unknown product", expect=404)
        self.inventory.get("/api/v1/products/not-an-id", route="malformed product id", expect=404)
        self.orders.get(f"/api/v1/orders/{uuid.uuid4()}", route="unknown order", headers=self.credentials(), expect=404)
        self.users.get("/api/v1/nothing-here", route="unknown path", expect=404)

    @task(1)
    def order_what_does_not_exist(self) -> None:
        """Expect 400 unknown_product."""
        lines = [{"product_id": str(uuid.uuid4()), "quantity": 1}]
        self.place_order(lines, expect=400, code="unknown_product")

    @task(1)
    def log_in_without_account(self) -> None:
        """Expect 401 for a wrong password."""
        payload = {"email": f"unknown-{uuid.uuid4().hex}@example.com", "password": "not the password"}
        self.users.post("/api/v1/token", route="wrong password", payload=payload, expect=401)
