"""`manage.py seed_products` and `manage.py grpcserver`."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from conftest import Client, left, locked, wait_until_a_session_waits_for_a_lock
from django.conf import settings
from django.core.management import CommandError, call_command
from grpc_health.v1 import health_pb2, health_pb2_grpc
from platform_testing.polling import eventually
from stock.models import Product
from stock.seeds import SEEDS

SERVICE = Path(__file__).parents[1]
# `manage.py grpcserver` with a longer lock timeout, so that a slow machine doesn't decide the outcome.
GRPCSERVER = """
import django
django.setup()
from django.core.management import call_command
from stock import domain
domain.LOCK_TIMEOUT_SECONDS = 60
call_command("grpcserver")
"""


def seed() -> str:
    out = io.StringIO()
    call_command("seed_products", stdout=out)
    return out.getvalue().strip()


@pytest.mark.django_db
def test_seeding_creates_the_products_once_and_reports_it() -> None:
    assert seed() == f"Products: {len(SEEDS)} created, 0 filled up, 0 left as they were."
    before = list(Product.objects.order_by("pk").values())
    assert seed() == f"Products: 0 created, 0 filled up, {len(SEEDS)} left as they were."
    assert list(Product.objects.order_by("pk").values()) == before
    assert len(before) >= 40


@pytest.mark.django_db
def test_seeds_have_one_product_sold_out_one_low_and_plenty_of_the_rest() -> None:
    seed()
    available = dict(Product.objects.values_list("sku", "available"))
    assert available.pop("OUT-OF-STOCK") == 0
    assert 0 < available.pop("LOW-STOCK") < 10
    assert set(available.values()) == {1_000_000}


@pytest.mark.django_db
def test_seeding_again_restocks_what_is_almost_sold_out_and_keeps_prices() -> None:
    seed()
    Product.objects.filter(sku="LOW-STOCK").update(available=0)
    Product.objects.filter(sku="MUG-STONE-300").update(available=500_000, price="1.00")
    assert seed() == f"Products: 0 created, 1 filled up, {len(SEEDS) - 1} left as they were."
    assert Product.objects.get(sku="LOW-STOCK").available == 5
    mug = Product.objects.get(sku="MUG-STONE-300")
    assert (mug.available, str(mug.price)) == (500_000, "1.00")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def process(transactional_db: None, tmp_path: Path) -> Iterator[Any]:
    """`manage.py grpcserver` in a separate process, on this test's database. Has .port."""
    port, log = free_port(), tmp_path / "log"
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{settings.DATABASES['default']['NAME']}").geturl()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "GRPC_PORT": str(port),
        "DATABASE_URL": database,
    }
    with log.open("wb") as output:
        child: Any = subprocess.Popen(
            [sys.executable, "-c", GRPCSERVER], cwd=SERVICE, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    child.port, child.log = port, log
    yield child
    child.kill()
    child.wait(timeout=10)


def is_serving(process: Any) -> bool:
    assert process.poll() is None, f"ended with {process.returncode}: {process.log.read_text()[-2000:]}"
    with grpc.insecure_channel(f"127.0.0.1:{process.port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_on_sigterm_the_process_finishes_the_call_in_flight_and_exits_cleanly(process: Any) -> None:
    product = Product.objects.create(sku="A", name="A", price=1, currency="EUR", available=10)
    eventually(lambda: is_serving(process), "the server to be SERVING", timeout=60)
    client = Client(process.port)
    with ThreadPoolExecutor(1) as pool:
        with locked(product):
            order = "8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10"
            in_flight = pool.submit(lambda: client.reserve(order, {product.id: 1}, timeout=60))
            wait_until_a_session_waits_for_a_lock()
            process.send_signal(signal.SIGTERM)
            eventually(
                lambda: process.log.read_text(),
                "the stop to begin",
                accept=lambda actual: "gRPC server stopping" in actual,
                timeout=30,
            )
            assert not is_serving(process)
        assert in_flight.result(timeout=30).items[0].quantity == 1
    assert process.wait(timeout=30) == 0, process.log.read_text()[-2000:]
    assert left(product) == 9
    client.channel.close()


def test_a_port_in_use_is_reported(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(settings, "GRPC_PORT", taken.getsockname()[1])
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(CommandError, match=r"GRPC_PORT \d+ on 127.0.0.1 can't be had"):
                call_command("grpcserver")
        finally:
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGINT, before[1])
