"""Fixtures: products, a running gRPC server and clients."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import grpc
import pytest
from contracts.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from contracts.testing.plugin import SERVICE_TOKENS
from django.conf import settings
from django.db import connection, connections, transaction
from platform_testing.polling import eventually
from stock.models import Product, Reservation
from stock.rpc.server import Server

_numbers = itertools.count()

AddProduct = Callable[..., Product]


@pytest.fixture
def add_product() -> AddProduct:
    """Creates a product; every field can be overridden."""

    def add(available: int = 10, **fields: Any) -> Product:
        number = next(_numbers)
        values = {"sku": f"SKU-{number}", "name": f"Product {number}", "price": Decimal("19.90"), "currency": "EUR"}
        return Product.objects.create(available=available, **{**values, **fields})

    return add


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    """A gRPC server on a free port, serving and healthy."""
    running = Server("127.0.0.1", 0, settings.SERVICE_TOKENS)
    running.start()
    yield running
    running.stop(grace=5)


class Client:
    """Calls the server as the orders service does."""

    def __init__(self, port: int, token: str | None = SERVICE_TOKENS["orders"]) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._stub = inventory_pb2_grpc.InventoryStub(self.channel)
        self._metadata = [("authorization", f"Bearer {token}")] if token is not None else []

    def reserve(
        self, order_id: Any, quantities: dict[Any, int], ttl_seconds: int = 60, timeout: float | None = 10
    ) -> inventory_pb2.ReserveResponse:
        items = [inventory_pb2.Item(product_id=str(key), quantity=number) for key, number in quantities.items()]
        request = inventory_pb2.ReserveRequest(order_id=str(order_id), items=items, ttl_seconds=ttl_seconds)
        return self._stub.Reserve(request, timeout=timeout, metadata=self._metadata)

    def release(self, order_id: Any) -> inventory_pb2.ReleaseResponse:
        request = inventory_pb2.ReleaseRequest(order_id=str(order_id))
        return self._stub.Release(request, timeout=10, metadata=self._metadata)

    def commit(self, order_id: Any) -> inventory_pb2.CommitResponse:
        request = inventory_pb2.CommitRequest(order_id=str(order_id))
        return self._stub.Commit(request, timeout=10, metadata=self._metadata)


@pytest.fixture
def client_of_server(server: Server) -> Iterator[Client]:
    """A client with the token of orders."""
    client = Client(server.port)
    yield client
    client.channel.close()


@contextmanager
def refused(code: grpc.StatusCode) -> Iterator[list[Any]]:
    """Asserts that the block fails with `code`; the error is in the list afterwards."""
    errors: list[Any] = []
    with pytest.raises(grpc.RpcError) as caught:
        yield errors
    error: Any = caught.value
    assert error.code() is code, f"expected {code}, got {error.code()}: {error.details()}"
    errors.append(error)


@contextmanager
def locked(product: Product) -> Iterator[None]:
    """Hold a lock on the product's row, as a slow reservation would."""
    with transaction.atomic():
        Product.objects.select_for_update().get(pk=product.pk)
        yield


@contextmanager
def locked_reservation(order_id: uuid.UUID) -> Iterator[None]:
    """Hold a lock on the reservation's row, as a slow commit would."""
    with transaction.atomic():
        Reservation.objects.select_for_update().get(order_id=order_id)
        yield


def wait_until_a_session_waits_for_a_lock(count: int = 1) -> None:
    """Wait until `count` backends of this database wait for a lock."""

    def waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return int(cursor.fetchone()[0])

    eventually(waiting, f"{count} backends that wait for a lock", accept=lambda actual: actual >= count)


def left(product: Product) -> int:
    """Return the available stock according to the database."""
    return Product.objects.get(pk=product.pk).available


def new_id() -> uuid.UUID:
    """Return a random order id."""
    return uuid.uuid4()


def closing(work: Callable[[], Any]) -> Callable[[], Any]:
    """Wrap `work` for a thread: closes its database connection afterwards."""

    def run() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return run
