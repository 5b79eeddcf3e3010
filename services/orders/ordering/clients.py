"""Clients of the services that orders calls: one class each, with typed results.

A call without a usable result (no answer, a refusal) raises DependencyError; an answer that violates the contract
raises its subclass InvalidAnswer. Every other outcome is a return value.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeVar

import grpc
import requests
from contracts import text
from contracts.api.authentication import RemoteKeys
from contracts.api.serializers import CENT
from contracts.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from django.conf import settings
from django_telemetry import edges
from django_telemetry.edges import DependencyError
from django_telemetry.grpc import client_channel
from django_telemetry.http import RetryPolicy, Session

from ordering.models import MAX_NAME
from ordering.placement import Line
from ordering.timing import Timing

Result = TypeVar("Result")

_USER = "/internal/v1/users/{id}"
_JWKS = "/.well-known/jwks.json"
_CHARGES = "/internal/v1/charges"
_CHARGE_OPERATION = f"POST {_CHARGES}"
# Only after a broken connection. A second charge would slow down a struggling payments service further.
_CHARGE_RETRIES = RetryPolicy(statuses=frozenset(), timeouts=False)
_MAX_AMOUNT = Decimal("1e10")


class ContractBroken(ValueError):
    """An answer violates the contract. The text names the member, never its value."""


class InvalidAnswer(DependencyError):
    """The dependency answered, in violation of the contract. What it did is unknown."""


@dataclass(frozen=True)
class Customer:
    """An account at users."""

    email: str
    name: str
    is_active: bool


@dataclass(frozen=True)
class Product:
    """A reserved product."""

    sku: str
    name: str
    unit_price: Decimal


@dataclass(frozen=True)
class Reservation:
    """Stock is reserved for every line."""

    products: Mapping[uuid.UUID, Product]
    total: Decimal
    currency: str


@dataclass(frozen=True)
class OutOfStock:
    """Nothing is reserved; there is not enough stock of these products."""

    product_ids: tuple[uuid.UUID, ...]


@dataclass(frozen=True)
class UnknownProduct:
    """Nothing is reserved; a product doesn't exist."""


@dataclass(frozen=True)
class Committed:
    """The reservation is final."""


@dataclass(frozen=True)
class Lost:
    """The reservation expired or was released before it was made final."""


@dataclass(frozen=True)
class Captured:
    """The card was charged."""

    id: str


@dataclass(frozen=True)
class Declined:
    """The card was not charged and won't be."""

    code: Literal["card_declined", "insufficient_funds"]


class UsersClient:
    """Accounts and token keys, over REST. A failed GET is retried once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def customer(self, user_id: uuid.UUID) -> Customer | None:
        """Return the account, or None when it doesn't exist."""
        response = self._session.request("GET", _USER, path_params={"id": str(user_id)})
        if response.status_code == 404:
            return None
        return _parsed("users", f"GET {_USER}", response, 200, _customer)

    def jwks(self) -> Mapping[str, Any]:
        """Return the keys that verify access tokens."""
        return _parsed("users", f"GET {_JWKS}", self._session.request("GET", _JWKS), 200, _object)


class PaymentsClient:
    """Charges, over REST. Idempotent by order, so a charge whose connection failed is retried once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def charge(self, order_id: uuid.UUID, amount: Decimal, currency: str, payment_token: str) -> Captured | Declined:
        """Charge the card for an order. After a DependencyError the card may have been charged."""
        body = {
            "order_id": str(order_id),
            "amount": str(amount.quantize(CENT)),
            "currency": currency,
            "payment_token": payment_token,
        }
        response = self._session.request("POST", _CHARGES, json=body, headers={"Idempotency-Key": str(order_id)})
        if response.status_code == 402:
            return _parsed("payments", _CHARGE_OPERATION, response, 402, _declined)
        return _parsed("payments", _CHARGE_OPERATION, response, 201, _captured)


class InventoryClient:
    """Stock reservations, over gRPC. Every call is idempotent by order; an UNAVAILABLE server is retried once."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = inventory_pb2_grpc.InventoryStub(channel)

    def reserve(
        self, order_id: uuid.UUID, lines: Sequence[Line], *, ttl_seconds: int
    ) -> Reservation | OutOfStock | UnknownProduct:
        """Reserve stock for `ttl_seconds`. After a DependencyError it may be reserved."""
        request = inventory_pb2.ReserveRequest(
            order_id=str(order_id),
            items=[inventory_pb2.Item(product_id=str(line.product_id), quantity=line.quantity) for line in lines],
            ttl_seconds=ttl_seconds,
        )
        try:
            response = self._stub.Reserve(request)
        except grpc.RpcError as error:
            match error.code():
                case grpc.StatusCode.NOT_FOUND:
                    return UnknownProduct()
                case grpc.StatusCode.FAILED_PRECONDITION:
                    return _checked("inventory", "Reserve", _out_of_stock, error.trailing_metadata())
            raise _refusal("Reserve", error) from error
        return _checked("inventory", "Reserve", _reservation, response, lines)

    def commit(self, order_id: uuid.UUID) -> Committed | Lost:
        """Make the reservation final. After a DependencyError it may be final."""
        try:
            self._stub.Commit(inventory_pb2.CommitRequest(order_id=str(order_id)))
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
                return Lost()
            raise _refusal("Commit", error) from error
        return Committed()

    def release(self, order_id: uuid.UUID) -> None:
        """Return the stock, whether held, committed or neither."""
        try:
            self._stub.Release(inventory_pb2.ReleaseRequest(order_id=str(order_id)))
        except grpc.RpcError as error:
            raise _refusal("Release", error) from error


@dataclass(frozen=True)
class Clients:
    """One client per dependency, for the whole process."""

    users: UsersClient
    payments: PaymentsClient
    inventory: InventoryClient


@cache
def clients() -> Clients:
    """Return the process's clients, created on first use: gRPC channels don't survive a fork."""
    timing: Timing = settings.TIMING
    token = settings.SERVICE_TOKEN
    return Clients(
        UsersClient(Session("users", settings.USERS_URL, token, timing.users_call)),
        PaymentsClient(Session("payments", settings.PAYMENTS_URL, token, timing.payments_call, _CHARGE_RETRIES)),
        InventoryClient(
            client_channel(
                "inventory",
                settings.INVENTORY_GRPC_TARGET,
                token,
                "inventory.v1.Inventory",
                timeout=timing.inventory_call,
                retries=RetryPolicy(),
            )
        ),
    )


def token_keys() -> RemoteKeys:
    """Return the keys that verify access tokens (settings.ACCESS_TOKEN_KEY_SOURCE)."""
    return RemoteKeys(lambda: clients().users.jwks())


def declare_edges() -> None:
    """Export the metrics of all edges as 0."""
    edges.declare("users", "http", f"GET {_USER}", f"GET {_JWKS}")
    edges.declare("payments", "http", _CHARGE_OPERATION)
    edges.declare("inventory", "grpc", "Reserve", "Commit", "Release")


def _parsed(
    dependency: str, operation: str, response: requests.Response, status: int, parse: Callable[[Any], Result]
) -> Result:
    """Parse an answer with the expected status. Raises DependencyError for a refusal, InvalidAnswer otherwise."""
    if response.status_code != status:
        kind = DependencyError if response.status_code >= 400 else InvalidAnswer
        raise kind(dependency, operation, f"answered {response.status_code}")
    try:
        body = response.json()
    except ValueError:
        raise InvalidAnswer(dependency, operation, "answered no JSON") from None
    return _checked(dependency, operation, parse, body)


def _checked(dependency: str, operation: str, parse: Callable[..., Result], *args: Any) -> Result:
    try:
        return parse(*args)
    except (ContractBroken, KeyError, TypeError, ValueError, ArithmeticError) as error:
        # Not the error's text: it can contain a value of the answer.
        raise InvalidAnswer(dependency, operation, f"broke the contract ({type(error).__name__})") from error


def _refusal(operation: str, error: grpc.RpcError) -> DependencyError:
    return DependencyError("inventory", operation, f"answered {error.code().name}")


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ContractBroken("not an object")
    return body


def _text(body: Any, member: str, pattern: str) -> str:
    value = _object(body)[member]
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ContractBroken(member)
    return value


def _customer(body: Any) -> Customer:
    is_active = _object(body)["is_active"]
    if not isinstance(is_active, bool):
        raise ContractBroken("is_active")
    email = _text(body, "email", r"(?s:.*)")
    # The rule that users applies at sign-up, and notifications before it sends a mail.
    if text.email(email) != email:
        raise ContractBroken("email")
    # users allows longer names than events do.
    return Customer(email, _text(body, "name", r"(?s:.*)")[:MAX_NAME], is_active)


def _captured(body: Any) -> Captured:
    if _object(body).get("status") != "captured":
        raise ContractBroken("status")
    return Captured(_text(body, "id", r"[!-~]{1,64}"))


def _declined(body: Any) -> Declined:
    match _object(body).get("code"):
        case "card_declined":
            return Declined("card_declined")
        case "insufficient_funds":
            return Declined("insufficient_funds")
    raise ContractBroken("code")


def _out_of_stock(trailing: Iterable[tuple[str, str | bytes]] | None) -> OutOfStock:
    ids = json.loads(next((value for name, value in trailing or () if name == "out-of-stock"), "[]"))
    if not isinstance(ids, list):
        raise ContractBroken("out-of-stock")
    return OutOfStock(tuple(uuid.UUID(product_id) for product_id in ids))


def _reservation(response: inventory_pb2.ReserveResponse, lines: Sequence[Line]) -> Reservation:
    reserved = {uuid.UUID(item.product_id): item for item in response.items}
    if {product_id: item.quantity for product_id, item in reserved.items()} != {
        line.product_id: line.quantity for line in lines
    }:
        raise ContractBroken("items")
    currencies = {item.unit_price.currency for item in response.items}
    if len(currencies) != 1 or not re.fullmatch("[A-Z]{3}", currency := currencies.pop()):
        raise ContractBroken("currency")
    products = {product_id: _product(item) for product_id, item in reserved.items()}
    total = sum((products[line.product_id].unit_price * line.quantity for line in lines), Decimal())
    if total >= _MAX_AMOUNT:
        raise ContractBroken("unit_price")
    return Reservation(products, total, currency)


def _product(item: inventory_pb2.ReservedItem) -> Product:
    if not re.fullmatch(r"\d{1,10}\.\d{2}", item.unit_price.amount):
        raise ContractBroken("unit_price")
    if not (item.sku and len(item.sku) <= 64 and len(item.name) <= 200):
        raise ContractBroken("sku or name")
    return Product(item.sku, item.name, Decimal(item.unit_price.amount))
