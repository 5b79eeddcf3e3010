"""The building blocks of the journeys: the requests that one user can send, each checked."""

from __future__ import annotations

import base64
import json
import random
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from locust import FastHttpUser, between
from locust.env import Environment

from load import settings as load_settings
from load.answers import Answer
from load.client import ServiceClient, UnexpectedAnswer

# Seconds before its expiry at which a token is replaced, so that none expires in transit.
TOKEN_MARGIN_SECONDS = 60.0
OUT_OF_STOCK_SKU = "OUT-OF-STOCK"

Product = dict[str, Any]
OrderLine = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """A user who has signed up."""

    email: str
    password: str


@dataclass(frozen=True)
class Session:
    """A user who has logged in. `ends_at` is the access token's expiry in seconds since the epoch."""

    access: str
    refresh: str
    ends_at: float


def token_end(access_token: str) -> float:
    """A token's expiry (seconds since the epoch): its `exp`, unverified. Raises ValueError when it isn't a token."""
    try:
        claims = access_token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError("not an access token with an end") from error


class Shopper(FastHttpUser):
    """A simulated user with at most one account. Journeys derive from it and call its steps in tasks.

    Each step sends one request and raises UnexpectedAnswer, counted already, when the response is wrong.
    """

    abstract = True
    # Set by the runner, which has checked them. None (locust -f): read from the environment.
    settings: ClassVar[load_settings.Settings | None] = None
    # Locust requires a host; every step uses its own service's.
    host = "http://127.0.0.1"
    wait_time = between(0.5, 1.5)
    # Above the longest response time that a service may have (10 s for an order).
    network_timeout = 15.0
    connection_timeout = 3.0
    # One request at a time. The client silently retries a broken GET `concurrency + 1` times; 0 is not allowed.
    concurrency = 1
    default_headers = {"User-Agent": "load/0.1", "Accept": "application/json"}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        urls = (self.settings or load_settings.load()).service_urls
        doors = {name: ServiceClient(self.client, name, url, self.answered) for name, url in urls.items()}
        self.users = doors["users"]
        self.inventory = doors["inventory"]
        self.orders = doors["orders"]
        self.notifications = doors["notifications"]
        self.account: Account | None = None
        self.session: Session | None = None
        self._products: list[Product] = []

    def answered(self, status: int) -> None:
        """Called with the status of each response (0: no response). Drops a session that was refused."""
        if status == 401:
            self.session = None

    # Accounts

    def sign_up(self) -> Account:
        """Create a new account. There is no session until log_in()."""
        account = Account(f"load-{uuid.uuid4().hex}@example.com", secrets.token_urlsafe(18))
        payload = {"email": account.email, "password": account.password, "name": "Load Shopper"}
        self.users.post("/api/v1/users", payload=payload, expect=201)
        self.account, self.session = account, None
        return account

    def log_in(self) -> Session:
        """Log in, after signing up if there is no account yet."""
        account = self.account or self.sign_up()
        try:
            answer = self.users.post(
                "/api/v1/token", payload={"email": account.email, "password": account.password}, expect=200
            )
        except UnexpectedAnswer as failure:
            # The account is unknown: the platform's data was reset. The next attempt creates a new one.
            if failure.status == 401:
                self.account = None
            raise
        self.session = Session(answer.body["access"], answer.body["refresh"], token_end(answer.body["access"]))
        return self.session

    def refresh_session(self) -> Session:
        """Exchange the refresh token for a new access token."""
        session = self.session or self.log_in()
        answer = self.users.post("/api/v1/token/refresh", payload={"refresh": session.refresh}, expect=200)
        access = answer.body["access"]
        self.session = Session(access, answer.body.get("refresh", session.refresh), token_end(access))
        return self.session

    def credentials(self) -> dict[str, str]:
        """The Authorization header, from a session that is created or refreshed as needed."""
        session = self.session or self.log_in()
        if session.ends_at - time.time() < TOKEN_MARGIN_SECONDS:
            session = self.refresh_session()
        return {"Authorization": f"Bearer {session.access}"}

    def look_at_own_account(self) -> Answer:
        """Read the user's own account."""
        return self.users.get("/api/v1/users/me", headers=self.credentials())

    # Products

    def list_products(self) -> list[Product]:
        """Read the first page of products and keep it for later steps."""
        answer = self.inventory.get(
            "/api/v1/products", check=lambda body: None if body["results"] else "no products: run seed_products"
        )
        self._products = answer.body["results"]
        return self._products

    def known_products(self) -> list[Product]:
        """The products seen so far; lists them first if there are none."""
        return self._products or self.list_products()

    def look_at_product(self, product: Product) -> Answer:
        """Read one product."""
        return self.inventory.get(f"/api/v1/products/{product['id']}", route="/api/v1/products/{id}")

    def find_product(self, sku: str) -> Product:
        """Find the product with this sku, following the pages. Raises UnexpectedAnswer when none has it."""
        path = "/api/v1/products?page_size=100"
        while True:
            page = self.inventory.get(path, route="/api/v1/products").body
            for product in page["results"]:
                if product["sku"] == sku:
                    return product
            if not page["next"]:
                raise UnexpectedAnswer(f"no product has the sku {sku}")
            path = "/api/v1/products?" + page["next"].partition("?")[2]

    def fill_cart(self) -> list[OrderLine]:
        """Choose one to three products in stock, one or two of each."""
        available = [product for product in self.known_products() if product["available"] >= 10]
        if not available:
            raise UnexpectedAnswer("nothing is in stock")
        chosen = random.sample(available, k=min(len(available), random.randint(1, 3)))
        return [{"product_id": product["id"], "quantity": random.randint(1, 2)} for product in chosen]

    # Orders

    def place_order(
        self,
        lines: list[OrderLine],
        *,
        card: str = "tok_ok",
        idempotency_key: str | None = None,
        expect: int = 201,
        code: str | None = None,
    ) -> Answer:
        """Order, paid by one of the simulated provider's test cards. A 201 must have the status `confirmed`."""
        headers = {**self.credentials(), "Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self.orders.post(
            "/api/v1/orders",
            payload={"items": lines, "payment_token": card},
            headers=headers,
            expect=expect,
            code=code,
            check=_is_confirmed if expect == 201 else None,
        )

    def look_at_order(self, order_id: str) -> Answer:
        """Read one of the user's orders."""
        return self.orders.get(f"/api/v1/orders/{order_id}", route="/api/v1/orders/{id}", headers=self.credentials())

    def list_orders(self) -> Answer:
        """List the user's orders."""
        return self.orders.get("/api/v1/orders", headers=self.credentials())

    def list_notifications(self) -> Answer:
        """List the mails that the user received."""
        return self.notifications.get("/api/v1/notifications", headers=self.credentials())


def _is_confirmed(order: Any) -> str | None:
    status = order.get("status") if isinstance(order, dict) else None
    return None if status == "confirmed" else f"expected a confirmed order, got {status}"
