"""grpc.health.v1 and the background rounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from conftest import AddProduct, left, new_id, refused
from django.db import OperationalError
from django.utils import timezone
from django_telemetry.deadlines import Deadline
from grpc_health.v1 import health_pb2, health_pb2_grpc
from platform_testing.polling import eventually
from pytest_django.fixtures import Settings
from stock import domain, metrics
from stock.models import Reservation
from stock.rpc.health import SERVICE, HealthServicer
from stock.rpc.housekeeping import Housekeeper
from stock.rpc.server import Server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stub(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)


def status(stub: Any, service: str = "") -> int:
    answer: Any = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)


def own_status(health: HealthServicer) -> int:
    context: Any = None  # only used for unknown services
    return int(health.Check(health_pb2.HealthCheckRequest(service=SERVICE), context).status)


def away() -> None:
    raise OperationalError("no connection")


def test_a_healthy_server_reports_itself_and_its_service_serving_without_a_token(stub: Any) -> None:
    eventually(lambda: status(stub, ""), "the server to be SERVING", accept=lambda actual: actual == SERVING)
    assert status(stub, "inventory.v1.Inventory") == SERVING


def test_an_unknown_service_is_not_found(stub: Any) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        status(stub, "elsewhere.v1.Nothing")


def test_a_watch_is_refused_because_it_would_occupy_a_thread(stub: Any) -> None:
    with refused(grpc.StatusCode.UNIMPLEMENTED):
        list(stub.Watch(health_pb2.HealthCheckRequest(), timeout=5))


def test_before_the_first_round_a_server_is_not_serving() -> None:
    assert own_status(HealthServicer()) == NOT_SERVING


def test_a_server_is_not_serving_while_its_database_is_down_and_recovers(settings: Settings) -> None:
    health = HealthServicer()
    housekeeper = Housekeeper(health)
    housekeeper.round()
    assert own_status(health) == SERVING
    settings.READINESS_CHECKS = {"postgresql": "test_housekeeping.away"}
    housekeeper.round()
    assert own_status(health) == NOT_SERVING
    settings.READINESS_CHECKS = {"postgresql": "contracts.api.health.database"}
    housekeeper.round()
    assert own_status(health) == SERVING


def test_a_stopping_server_stays_not_serving() -> None:
    health = HealthServicer()
    housekeeper = Housekeeper(health)
    housekeeper.round()
    health.enter_graceful_shutdown()
    housekeeper.round()
    assert own_status(health) == NOT_SERVING


def test_a_running_server_returns_expired_reservations_by_itself(server: Server, add_product: AddProduct) -> None:
    product, order_id = add_product(10), new_id()
    domain.reserve(order_id, {product.id: 4}, timedelta(minutes=1), Deadline.after(5))
    assert left(product) == 6
    before = metrics.reservations_total.labels("expired")._value.get()
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    eventually(lambda: left(product), "the sweep to put the stock back", accept=lambda actual: actual == 10)
    eventually(
        lambda: metrics.reservations_total.labels("expired")._value.get(),
        "the expiry counted",
        accept=lambda actual: actual == before + 1,
    )
    assert Reservation.objects.get().status == "expired"


def test_a_round_returns_more_than_one_batch(add_product: AddProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "SWEEP_BATCH", 2)
    product = add_product(10)
    for _ in range(5):
        domain.reserve(new_id(), {product.id: 1}, timedelta(minutes=1), Deadline.after(5))
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    Housekeeper(HealthServicer()).round()
    assert left(product) == 10


def test_a_round_keeps_reservations_that_are_still_valid(add_product: AddProduct) -> None:
    product = add_product(10)
    domain.reserve(new_id(), {product.id: 1}, timedelta(minutes=1), Deadline.after(5))
    Housekeeper(HealthServicer()).round()
    assert left(product) == 9


def test_a_round_counts_products_by_stock_level(add_product: AddProduct) -> None:
    for available in (0, 0, 1, 9, 10, 1000, 5):
        add_product(available)
    Housekeeper(HealthServicer()).round()
    counts = {level: metrics.stock_products.labels(level)._value.get() for level in ("out", "low", "ok")}
    assert counts == {"out": 2, "low": 3, "ok": 2}


def test_a_failed_round_does_not_stop_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise OperationalError("connection lost")

    monkeypatch.setattr(domain, "has_overdue", fail)
    Housekeeper(HealthServicer()).round()
