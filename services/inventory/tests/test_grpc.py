"""inventory.v1.Inventory over a real channel: the behaviour of each call, and authentication."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from conftest import AddProduct, Client, left, new_id, refused
from contracts.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from contracts.testing import tokens
from contracts.testing.plugin import SERVICE_TOKENS
from django.db import OperationalError
from django.utils import timezone
from psycopg.errors import AdminShutdown
from stock import domain, metrics
from stock.models import Product, Reservation, ReservationItem
from stock.rpc.server import Server
from stock.rpc.servicer import MAX_ITEMS

HELD = inventory_pb2.RESERVATION_STATUS_HELD
COMMITTED = inventory_pb2.RESERVATION_STATUS_COMMITTED
RELEASED = inventory_pb2.RESERVATION_STATUS_RELEASED
EXPIRED = inventory_pb2.RESERVATION_STATUS_EXPIRED
UNSPECIFIED = inventory_pb2.RESERVATION_STATUS_UNSPECIFIED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(client_of_server: Client) -> Client:
    return client_of_server


def count(outcome: str) -> float:
    return metrics.reservations_total.labels(outcome)._value.get()


def overdue(order_id: uuid.UUID) -> None:
    """Set the order's reservation to have expired a second ago."""
    Reservation.objects.filter(order_id=order_id).update(expires_at=timezone.now() - timedelta(seconds=1))


# Reserve


def test_a_reservation_takes_the_stock_and_returns_prices(client: Client, add_product: AddProduct) -> None:
    kettle, mug = add_product(10, sku="KETTLE", name="Kettle", price=Decimal("54.9")), add_product(5)
    before, order_id = datetime.now(UTC), new_id()
    answer = client.reserve(order_id, {kettle.id: 2, mug.id: 5}, ttl_seconds=60)
    assert (left(kettle), left(mug)) == (8, 0)
    assert answer.status == HELD
    line = next(item for item in answer.items if item.product_id == str(kettle.id))
    assert (line.sku, line.name, line.quantity) == ("KETTLE", "Kettle", 2)
    assert (line.unit_price.amount, line.unit_price.currency) == ("54.90", "EUR")
    assert answer.expires_at.endswith("Z")
    expires_at = datetime.fromisoformat(answer.expires_at)
    assert timedelta(seconds=59) < expires_at - before < timedelta(seconds=70)
    assert str(Reservation.objects.get(order_id=order_id).id) == answer.reservation_id


def test_without_a_ttl_the_servers_default_applies(client: Client, add_product: AddProduct) -> None:
    answer = client.reserve(new_id(), {add_product().id: 1}, ttl_seconds=0)
    held_for = datetime.fromisoformat(answer.expires_at) - datetime.now(UTC)
    assert timedelta(seconds=290) < held_for <= timedelta(seconds=300)


def test_a_repeated_order_gets_the_same_reservation_and_takes_nothing_more(
    client: Client, add_product: AddProduct
) -> None:
    product, order_id = add_product(10), new_id()
    first = client.reserve(order_id, {product.id: 3})
    Product.objects.update(price=Decimal("99.00"))
    assert client.reserve(order_id, {product.id: 3}) == first, "at the price that was promised"
    assert left(product) == 7
    assert Reservation.objects.count() == 1


def test_a_repeated_order_gets_its_reservation_even_when_nothing_is_left(
    client: Client, add_product: AddProduct
) -> None:
    product, order_id = add_product(3), new_id()
    first = client.reserve(order_id, {product.id: 3})
    assert client.reserve(order_id, {product.id: 3}) == first


def test_a_repeated_order_gets_the_current_status_of_its_reservation(client: Client, add_product: AddProduct) -> None:
    product, order_id = add_product(10), new_id()
    client.reserve(order_id, {product.id: 1})
    overdue(order_id)
    assert client.reserve(order_id, {product.id: 1}).status == EXPIRED
    client.release(order_id)
    assert client.reserve(order_id, {product.id: 1}).status in (RELEASED, EXPIRED)
    committed = new_id()
    client.reserve(committed, {product.id: 1})
    client.commit(committed)
    assert client.reserve(committed, {product.id: 1}).status == COMMITTED


def test_out_of_stock_names_the_products_and_takes_nothing(client: Client, add_product: AddProduct) -> None:
    plenty, short, none = add_product(10), add_product(2), add_product(0)
    before, lines = count("out_of_stock"), metrics.stock_outs_total._value.get()
    with refused(grpc.StatusCode.FAILED_PRECONDITION) as errors:
        client.reserve(new_id(), {plenty.id: 1, short.id: 3, none.id: 1})
    trailing = dict(errors[0].trailing_metadata())
    assert sorted(json.loads(trailing["out-of-stock"])) == sorted([str(short.id), str(none.id)])
    assert (left(plenty), left(short), left(none)) == (10, 2, 0)
    assert not Reservation.objects.exists()
    assert (count("out_of_stock") - before, metrics.stock_outs_total._value.get() - lines) == (1, 2)


def test_an_unknown_product_is_not_found_and_takes_nothing(client: Client, add_product: AddProduct) -> None:
    product, unknown = add_product(10), new_id()
    with refused(grpc.StatusCode.NOT_FOUND) as errors:
        client.reserve(new_id(), {product.id: 1, unknown: 1})
    assert str(unknown) in errors[0].details()
    assert left(product) == 10


def test_the_stock_of_an_expired_reservation_goes_to_an_order_that_needs_it(
    client: Client, add_product: AddProduct
) -> None:
    product, other, first = add_product(3), add_product(3), new_id()
    client.reserve(first, {product.id: 3, other.id: 1})
    overdue(first)
    assert client.reserve(new_id(), {product.id: 2}).status == HELD
    assert (left(product), left(other)) == (1, 3)
    assert Reservation.objects.get(order_id=first).status == "expired"


def test_a_reservation_that_is_still_valid_keeps_its_stock(client: Client, add_product: AddProduct) -> None:
    product = add_product(3)
    client.reserve(new_id(), {product.id: 3})
    with refused(grpc.StatusCode.FAILED_PRECONDITION):
        client.reserve(new_id(), {product.id: 1})


@pytest.mark.parametrize(
    ("what", "request_fields"),
    [
        ("no items", {"items": []}),
        ("no order", {"order_id": ""}),
        ("an order id that is none", {"order_id": "5"}),
        ("an order id without hyphens", {"order_id": uuid.UUID(int=1).hex}),
        ("an order id in braces", {"order_id": "{00000000-0000-0000-0000-000000000001}"}),
        ("a product id that is none", {"items": [("x", 1)]}),
        ("a product id with a NUL", {"items": [("\x00", 1)]}),
        ("a product twice", {"items": [(str(uuid.UUID(int=1)), 1), (str(uuid.UUID(int=1)), 1)]}),
        ("a product twice in another case", {"items": [(f"{'a' * 8}-{'a' * 4}-4aaa-8aaa-{'a' * 12}", 1),
                                                       (f"{'A' * 8}-{'A' * 4}-4AAA-8AAA-{'A' * 12}", 1)]}),
        ("nothing of a product", {"items": [(str(uuid.UUID(int=1)), 0)]}),
        ("too much of a product", {"items": [(str(uuid.UUID(int=1)), 101)]}),
        ("far too much of a product", {"items": [(str(uuid.UUID(int=1)), 2**32 - 1)]}),
        ("too many items", {"items": [(str(uuid.UUID(int=number)), 1) for number in range(MAX_ITEMS + 1)]}),
        ("too long a ttl", {"ttl_seconds": 3601}),
    ],
)  # fmt: skip
def test_a_reservation_that_violates_the_contract_is_an_invalid_argument(
    server: Server, what: str, request_fields: dict[str, Any]
) -> None:
    fields: dict[str, Any] = {"order_id": str(new_id()), "items": [(str(uuid.UUID(int=1)), 1)], **request_fields}
    fields["items"] = [inventory_pb2.Item(product_id=key, quantity=number) for key, number in fields["items"]]
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        call(server, "Reserve", inventory_pb2.ReserveRequest(**fields), SERVICE_TOKENS["orders"])


# Release


@pytest.mark.parametrize("committed", [False, True])
def test_a_release_returns_the_stock_whether_held_or_committed(
    client: Client, add_product: AddProduct, committed: bool
) -> None:
    product, other, order_id = add_product(10), add_product(10), new_id()
    client.reserve(order_id, {product.id: 4, other.id: 1})
    if committed:
        client.commit(order_id)
    assert client.release(order_id).status == RELEASED
    assert (left(product), left(other)) == (10, 10)


def test_a_repeated_release_returns_nothing_more(client: Client, add_product: AddProduct) -> None:
    product, order_id = add_product(10), new_id()
    client.reserve(order_id, {product.id: 4})
    before = count("released")
    assert [client.release(order_id).status for _ in range(3)] == [RELEASED] * 3
    assert left(product) == 10
    assert count("released") == before + 1


def test_a_release_without_a_reservation_succeeds(client: Client) -> None:
    assert client.release(new_id()).status == UNSPECIFIED


def test_a_release_after_the_sweep_returns_nothing(client: Client, add_product: AddProduct) -> None:
    product, order_id = add_product(10), new_id()
    client.reserve(order_id, {product.id: 4})
    overdue(order_id)
    domain.expire_overdue(domain.Deadline.after(5))
    assert client.release(order_id).status == EXPIRED
    assert left(product) == 10


# Commit


def test_a_commit_makes_a_reservation_final_so_that_it_does_not_expire(client: Client, add_product: AddProduct) -> None:
    product, order_id = add_product(10), new_id()
    client.reserve(order_id, {product.id: 4})
    assert [client.commit(order_id).status for _ in range(2)] == [COMMITTED] * 2
    overdue(order_id)
    domain.expire_overdue(domain.Deadline.after(5))
    assert client.commit(order_id).status == COMMITTED
    assert left(product) == 6


def test_a_commit_after_the_expiry_is_refused_and_the_stock_is_returned_once(
    client: Client, add_product: AddProduct
) -> None:
    product, order_id = add_product(10), new_id()
    client.reserve(order_id, {product.id: 4})
    overdue(order_id)
    for _ in range(2):
        with refused(grpc.StatusCode.FAILED_PRECONDITION):
            client.commit(order_id)
    assert left(product) == 10
    assert Reservation.objects.get().status == "expired"


def test_a_commit_after_a_release_is_refused(client: Client, add_product: AddProduct) -> None:
    order_id = new_id()
    client.reserve(order_id, {add_product().id: 1})
    client.release(order_id)
    with refused(grpc.StatusCode.FAILED_PRECONDITION):
        client.commit(order_id)


def test_a_commit_without_a_reservation_is_not_found(client: Client) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        client.commit(new_id())


@pytest.mark.parametrize("method", ["commit", "release"])
def test_an_invalid_order_id_is_an_invalid_argument(client: Client, method: str) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        getattr(client, method)("x")


# Authentication and malformed calls


def call(server: Server, method: str, request: Any, token: str | None, metadata: Any = None) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        if metadata is None:
            metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        return getattr(inventory_pb2_grpc.InventoryStub(channel), method)(request, timeout=10, metadata=metadata)


def send_bytes(server: Server, method: str, body: bytes) -> Any:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        send: Any = channel.unary_unary(method, lambda data: data, lambda data: data)
        return send(body, timeout=10, metadata=[("authorization", f"Bearer {SERVICE_TOKENS['orders']}")])


REQUESTS = {
    "Reserve": inventory_pb2.ReserveRequest(order_id=str(uuid.UUID(int=1))),
    "Release": inventory_pb2.ReleaseRequest(order_id=str(uuid.UUID(int=1))),
    "Commit": inventory_pb2.CommitRequest(order_id=str(uuid.UUID(int=1))),
}


@pytest.mark.parametrize("method", sorted(REQUESTS))
@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer x")],
        [("authorization", f"Bearer {SERVICE_TOKENS['orders']}x")],
        [("authorization", f"Basic {SERVICE_TOKENS['orders']}")],
        [("authorization", SERVICE_TOKENS["orders"])],
        [("authorization", f"Bearer {SERVICE_TOKENS['orders']}"), ("authorization", "Bearer x")],
        [("x-authorization", f"Bearer {SERVICE_TOKENS['orders']}")],
        *[[("authorization", f"Bearer {token}")] for token in tokens.bad_tokens().values()],
        [("authorization", f"Bearer {tokens.access_token()}")],
    ],
)
def test_a_call_without_a_service_token_is_unauthenticated(server: Server, method: str, metadata: Any) -> None:
    with refused(grpc.StatusCode.UNAUTHENTICATED):
        call(server, method, REQUESTS[method], None, metadata)


def test_an_unknown_method_is_unimplemented(server: Server) -> None:
    with refused(grpc.StatusCode.UNIMPLEMENTED):
        send_bytes(server, "/inventory.v1.Inventory/Steal", b"")


def test_a_malformed_request_is_refused(server: Server) -> None:
    with refused(grpc.StatusCode.INTERNAL):
        send_bytes(server, "/inventory.v1.Inventory/Reserve", b"\xff" * 50)


def test_a_message_over_64_kib_is_refused(server: Server) -> None:
    request = inventory_pb2.ReserveRequest(order_id="x" * 65_536)
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
        call(server, "Reserve", request, SERVICE_TOKENS["orders"])


# Server-side failures


def test_a_call_while_the_database_is_down_is_unavailable_and_names_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise OperationalError from AdminShutdown()

    monkeypatch.setattr(domain, "release", away)
    with refused(grpc.StatusCode.UNAVAILABLE) as errors:
        client.release(new_id())
    assert "postgresql" in errors[0].details()


def test_an_unexpected_exception_is_internal_and_discloses_nothing_to_the_caller(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(domain, "release", broken)
    with refused(grpc.StatusCode.INTERNAL) as errors:
        client.release(new_id())
    assert "secret" not in errors[0].details()


def test_a_database_constraint_rejects_a_second_reservation_of_an_order(
    client: Client, add_product: AddProduct
) -> None:
    order_id = new_id()
    client.reserve(order_id, {add_product().id: 1})
    assert ReservationItem.objects.count() == 1
    with pytest.raises(Exception, match="order_id"):
        Reservation.objects.create(order_id=order_id, expires_at=timezone.now())
