"""The vocabulary of the journeys: what one person can do with the platform, each step checked."""

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

# A token is replaced this long before it ends, so that none ends on its way.
TOKEN_MARGIN_SECONDS = 60.0
OUT_OF_STOCK_SKU = "OUT-OF-STOCK"

Product = dict[str, Any]
OrderLine = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """Somebody who signed up."""

    email: str
    password: str


@dataclass(frozen=True)
class Session:
    """Somebody who logged in. `ends_at` is the access token's end in seconds since the epoch."""

    access: str
    refresh: str
    ends_at: float


def token_end(access_token: str) -> float:
    """When a token ends (seconds since the epoch): its `exp`, unverified. Raises ValueError when it isn't a token."""
    try:
        claims = access_token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError("not an access token with an end") from error


class Shopper(FastHttpUser):
    """A person with at most one account. Journeys derive from it and put its steps into tasks.

    Each step sends one request and raises UnexpectedAnswer, counted already, when the answer isn't right.
    """

    abstract = True
    # The runner's: what it checked is what is used. None (locust -f): read from the environment.
    settings: ClassVar[load_settings.Settings | None] = None
    # Locust wants a host; every step names its service's own.
    host = "http://127.0.0.1"
    wait_time = between(0.5, 1.5)
    # Above the longest answer that a service may give (an order has 10 s).
    network_timeout = 15.0
    connection_timeout = 3.0
    # One request at a time. Also the client's number of silent retries of a broken GET, less one: it can't be 0.
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
        """Hears each answer's status (0: none came). A session that is refused is forgotten."""
        if status == 401:
            self.session = None

    # Accounts

    def sign_up(self) -> Account:
        """Make a new account, and be nobody's session until log_in()."""
        account = Account(f"load-{uuid.uuid4().hex}@example.com", secrets.token_urlsafe(18))
        payload = {"email": account.email, "password": account.password, "name": "Load Shopper"}
        self.users.post("/api/v1/users", payload=payload, expect=201)
        self.account, self.session = account, None
        return account

    def log_in(self) -> Session:
        """Log in, after signing up where there is no account yet."""
        account = self.account or self.sign_up()
        try:
            answer = self.users.post(
                "/api/v1/token", payload={"email": account.email, "password": account.password}, expect=200
            )
        except UnexpectedAnswer as failure:
            # Unknown: the platform's data was reset. The next attempt makes a new account.
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
        """The Authorization header, from a session that is new, kept or refreshed, as needed."""
        session = self.session or self.log_in()
        if session.ends_at - time.time() < TOKEN_MARGIN_SECONDS:
            session = self.refresh_session()
        return {"Authorization": f"Bearer {session.access}"}

    def look_at_own_account(self) -> Answer:
        """Who am I?"""
        return self.users.get("/api/v1/users/me", headers=self.credentials())

    # Products

    def list_products(self) -> list[Product]:
        """The first page of products; remembered for later steps."""
        answer = self.inventory.get(
            "/api/v1/products", check=lambda body: None if body["results"] else "no products: run seed_products"
        )
        self._products = answer.body["results"]
        return self._products

    def known_products(self) -> list[Product]:
        """The products that this person has seen, after a look at the list where they have seen none."""
        return self._products or self.list_products()

    def look_at_product(self, product: Product) -> Answer:
        """One product's page."""
        return self.inventory.get(f"/api/v1/products/{product['id']}", route="/api/v1/products/{id}")

    def find_product(self, sku: str) -> Product:
        """The product with this sku; follows the pages. Raises UnexpectedAnswer when none has it."""
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
        """One to three products that are there, one or two of each."""
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
        """Order, paid by one of the simulated provider's test cards. A 201 must say `confirmed`."""
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
        """One of this person's orders."""
        return self.orders.get(f"/api/v1/orders/{order_id}", route="/api/v1/orders/{id}", headers=self.credentials())

    def list_orders(self) -> Answer:
        """This person's orders."""
        return self.orders.get("/api/v1/orders", headers=self.credentials())

    def list_notifications(self) -> Answer:
        """The mails that this person got."""
        return self.notifications.get("/api/v1/notifications", headers=self.credentials())


def _is_confirmed(order: Any) -> str | None:
    status = order.get("status") if isinstance(order, dict) else None
    return None if status == "confirmed" else f"expected a confirmed order, came {status}"
