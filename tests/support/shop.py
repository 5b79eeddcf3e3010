"""A client of the public API, as a customer's own program would use it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import requests
from platformctl.run.environment import HOST
from platformctl.settings import Settings

from tests.support.expect import expect

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class Urls:
    """The base URL of each public service."""

    users: str
    inventory: str
    orders: str
    payments: str
    notifications: str

    @classmethod
    def of(cls, settings: Settings) -> Urls:
        """The URLs of the platform without Docker."""
        return cls(**{each.name: f"http://{HOST}:{settings.port(each.name)}" for each in fields(cls)})


@dataclass(frozen=True)
class Order:
    """An order with a 201 response."""

    id: str
    status: str
    trace_id: str


@dataclass
class Customer:
    """A user with an account, logged in."""

    urls: Urls
    id: str
    email: str
    headers: Mapping[str, str]
    http: requests.Session = field(default_factory=requests.Session)

    def try_to_order(
        self,
        items: list[dict[str, Any]],
        *,
        card: str = "tok_ok",
        key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> requests.Response:
        """POST an order and return the response, whatever its status."""
        return self.http.post(
            f"{self.urls.orders}/api/v1/orders",
            json={"items": items, "payment_token": card},
            headers={**self.headers, "Idempotency-Key": key or str(uuid.uuid4())},
            timeout=timeout,
        )

    def order(self, items: list[dict[str, Any]]) -> Order:
        """Place an order that must succeed."""
        response = self.try_to_order(items)
        expect(response.status_code == 201, "an order answered 201", show(response), f"{self.urls.orders}/api/docs/")
        body = response.json()
        return Order(body["id"], body["status"], trace_id(response))

    def orders(self) -> list[dict[str, Any]]:
        """Every order of this customer, from all pages."""
        return self._all(f"{self.urls.orders}/api/v1/orders")

    def look_at_order(self, order_id: str) -> requests.Response:
        """GET one order."""
        return self.http.get(
            f"{self.urls.orders}/api/v1/orders/{order_id}", headers=self.headers, timeout=TIMEOUT_SECONDS
        )

    def notifications(self) -> list[dict[str, Any]]:
        """Every notification of this customer, from all pages."""
        return self._all(f"{self.urls.notifications}/api/v1/notifications")

    def _all(self, address: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        page: str | None = f"{address}?page_size=100"
        while page:
            response = self.http.get(page, headers=self.headers, timeout=TIMEOUT_SECONDS)
            expect(response.status_code == 200, f"200 from {page}", show(response), page)
            body = response.json()
            entries += body["results"]
            # The same URL, with the cursor of the next page.
            page = f"{address}?{body['next'].partition('?')[2]}" if body["next"] else None
        return entries


class Shop:
    """The public services of the platform."""

    def __init__(self, urls: Urls) -> None:
        self.urls = urls
        self._items: list[dict[str, Any]] = []

    def new_customer(self) -> Customer:
        """Sign up and log in."""
        email, password = f"e2e-{uuid.uuid4().hex}@example.com", secrets.token_urlsafe(18)
        signed_up = requests.post(
            f"{self.urls.users}/api/v1/users",
            json={"email": email, "password": password, "name": "End to End"},
            timeout=TIMEOUT_SECONDS,
        )
        expect(signed_up.status_code == 201, "a sign-up answered 201", show(signed_up), self.urls.users)
        logged_in = requests.post(
            f"{self.urls.users}/api/v1/token", json={"email": email, "password": password}, timeout=TIMEOUT_SECONDS
        )
        expect(logged_in.status_code == 200, "a login answered 200", show(logged_in), self.urls.users)
        headers = {"Authorization": f"Bearer {logged_in.json()['access']}"}
        return Customer(self.urls, signed_up.json()["id"], email, headers)

    def items(self) -> list[dict[str, Any]]:
        """A cart of two products with plenty of stock."""
        if not self._items:
            response = requests.get(f"{self.urls.inventory}/api/v1/products", timeout=TIMEOUT_SECONDS)
            expect(response.status_code == 200, "200 from the products", show(response), self.urls.inventory)
            plenty = [product["id"] for product in response.json()["results"] if product["available"] > 1000]
            expect(len(plenty) >= 2, "two products in stock", response.json(), f"{self.urls.inventory}/api/v1/products")
            self._items = [{"product_id": plenty[0], "quantity": 1}, {"product_id": plenty[1], "quantity": 2}]
        return self._items


def trace_id(response: requests.Response) -> str:
    """The trace id of the `traceresponse` header."""
    parts = response.headers.get("traceresponse", "").split("-")
    expect(len(parts) == 4 and len(parts[1]) == 32, "a traceresponse header", response.headers, response.url)
    return parts[1]


def show(response: requests.Response) -> str:
    """A response in short, for failure messages."""
    return f"{response.status_code} {response.headers.get('Content-Type')} {response.text[:500]}"
