"""Concurrent calls on real locks: nothing is oversold, no call waits without limit, all stock is returned once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import pytest
from conftest import (
    AddProduct,
    Client,
    closing,
    left,
    locked,
    locked_reservation,
    new_id,
    refused,
    wait_until_a_session_waits_for_a_lock,
)
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from django_telemetry.deadlines import Deadline
from platform_testing.polling import eventually
from stock import domain
from stock.models import Product, Reservation, ReservationItem
from stock.rpc.server import Server

MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run the jobs in threads that start together; return the result or the exception of each."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait(timeout=10)
        try:
            return closing(job)()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        futures: list[Future[Any]] = [pool.submit(run, job) for job in jobs]
        return [future.result(timeout=60) for future in futures]


def reserve(order_id: UUID, quantities: dict[UUID, int], seconds: float = 20) -> domain.Held:
    return domain.reserve(order_id, quantities, MINUTE, Deadline.after(seconds))


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


def test_the_last_items_are_sold_once(add_product: AddProduct) -> None:
    product = add_product(5)
    results = at_once([lambda: reserve(new_id(), {product.id: 1}) for _ in range(10)])
    assert kinds(results) == {"Held": 5, "OutOfStock": 5}
    assert left(product) == 0
    assert ReservationItem.objects.aggregate(total=Sum("quantity"))["total"] == 5


def test_orders_with_the_same_products_in_opposite_order_do_not_deadlock(add_product: AddProduct) -> None:
    products = [add_product(1000) for _ in range(6)]

    def job(seed: int) -> Callable[[], Any]:
        def run() -> int:
            order = random.Random(seed)
            for _ in range(10):
                chosen = order.sample(products, 4)
                order_id = new_id()
                reserve(order_id, {product.id: 1 for product in chosen})
                if order.random() < 0.5:
                    domain.release(order_id, Deadline.after(20))
            return 1

        return run

    results = at_once([job(seed) for seed in range(8)])
    assert results == [1] * 8, f"expected no deadlock and no failure, got {results}"
    held = ReservationItem.objects.filter(reservation__status="held").aggregate(total=Sum("quantity"))["total"]
    assert sum(left(product) for product in products) == 6000 - held


def test_one_order_reserved_many_times_concurrently_takes_its_stock_once(add_product: AddProduct) -> None:
    product, order_id = add_product(3), new_id()
    results = at_once([lambda: reserve(order_id, {product.id: 3}) for _ in range(6)])
    assert kinds(results) == {"Held": 6}
    assert len({result.reservation.id for result in results}) == 1
    assert left(product) == 0


def test_one_order_with_different_products_concurrently_gets_one_of_them(add_product: AddProduct) -> None:
    products, order_id = [add_product(10) for _ in range(6)], new_id()
    results = at_once([partial(reserve, order_id, {product.id: 1}) for product in products])
    assert kinds(results) == {"Held": 6}
    assert len({result.reservation.id for result in results}) == 1
    assert sum(left(product) for product in products) == 59


def test_a_concurrent_release_and_commit_leave_one_state(add_product: AddProduct) -> None:
    for _ in range(5):
        product, order_id = add_product(10), new_id()
        reserve(order_id, {product.id: 4})
        ends = (domain.release, domain.commit, domain.release)
        at_once([partial(end, order_id, Deadline.after(10)) for end in ends])
        assert Reservation.objects.get(order_id=order_id).status == "released"
        assert left(product) == 10


def test_several_concurrent_sweeps_return_all_stock_once(add_product: AddProduct) -> None:
    products = [add_product(1000) for _ in range(3)]
    for number in range(60):
        reserve(new_id(), {products[number % 3].id: 2, products[(number + 1) % 3].id: 1})
    Reservation.objects.update(expires_at=timezone.now() - MINUTE)
    results = at_once([lambda: domain.expire_overdue(Deadline.after(20)) for _ in range(4)])
    assert sum(results) == 60, f"each reservation is to be expired once, got {results}"
    assert [left(product) for product in products] == [1000] * 3


def test_the_sweep_skips_a_reservation_that_is_locked(add_product: AddProduct) -> None:
    busy, idle = add_product(10), add_product(10)
    worked_on, forgotten = new_id(), new_id()
    reserve(worked_on, {busy.id: 1})
    reserve(forgotten, {idle.id: 1})
    Reservation.objects.update(expires_at=timezone.now() - MINUTE)
    with locked_reservation(worked_on):
        (swept,) = at_once([lambda: domain.expire_overdue(Deadline.after(5))])
    assert swept == 1
    assert (left(busy), left(idle)) == (9, 10)


def test_a_call_on_rows_that_stay_locked_fails_in_time_and_changes_nothing(
    add_product: AddProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "LOCK_TIMEOUT_SECONDS", 60)
    free, product = add_product(10), add_product(10)
    start = time.monotonic()
    with locked(product):
        (result,) = at_once([lambda: reserve(new_id(), {free.id: 1, product.id: 1}, seconds=0.5)])
    assert isinstance(result, domain.StockBusy), result
    assert time.monotonic() - start < 4, "ended by the session's own 5 s, not by the call's limits"
    assert (left(free), left(product)) == (10, 10)
    assert not Reservation.objects.exists()


def test_a_call_waits_for_a_row_no_longer_than_the_lock_timeout_regardless_of_its_deadline(
    add_product: AddProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "LOCK_TIMEOUT_SECONDS", 0.3)
    product = add_product(10)
    start = time.monotonic()
    with locked(product):
        (result,) = at_once([lambda: reserve(new_id(), {product.id: 1}, seconds=30)])
    assert isinstance(result, domain.StockBusy), result
    assert time.monotonic() - start < 4, "ended by the session's own 5 s, not by the call's limits"


def test_a_statement_is_cancelled_at_the_deadline(add_product: AddProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "LOCK_SHARE_OF_DEADLINE", 10)
    product = add_product(10)
    with locked(product):
        (result,) = at_once([lambda: reserve(new_id(), {product.id: 1}, seconds=0.3)])
    assert isinstance(result, domain.DeadlinePassed), result


def test_a_call_whose_deadline_has_passed_changes_nothing(
    add_product: AddProduct, django_assert_num_queries: Any
) -> None:
    product = add_product(10)
    with django_assert_num_queries(0):
        for work in (
            lambda: reserve(new_id(), {product.id: 1}, seconds=0),
            lambda: domain.commit(new_id(), Deadline.after(0)),
            lambda: domain.release(new_id(), Deadline.after(0)),
        ):
            with pytest.raises(domain.DeadlinePassed):
                work()


def test_the_limits_of_one_call_do_not_persist_on_the_connection(add_product: AddProduct) -> None:
    def limits() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            return list(cursor.fetchone())

    before = limits()
    reserve(new_id(), {add_product().id: 1}, seconds=1)
    assert limits() == before == ["10s", "5s"]


# Over gRPC


def test_a_call_cancelled_by_its_client_leaves_nothing_behind(
    server: Server, add_product: AddProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "LOCK_SHARE_OF_DEADLINE", 10)
    product, client = add_product(10), Client(server.port)
    with locked(product), refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        client.reserve(new_id(), {product.id: 1}, timeout=0.4)
    # The server's thread has stopped as well: the next call gets the row, and no other stock was taken.
    client.reserve(new_id(), {product.id: 1}, timeout=5)
    assert Reservation.objects.count() == 1
    assert left(product) == 9
    client.channel.close()


def test_rows_that_stay_locked_are_answered_with_aborted(
    server: Server, add_product: AddProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "LOCK_TIMEOUT_SECONDS", 0.2)
    product, client = add_product(10), Client(server.port)
    with locked(product), refused(grpc.StatusCode.ABORTED):
        client.reserve(new_id(), {product.id: 1})
    client.channel.close()


def code_of_a_release(server: Server) -> Any:
    client = Client(server.port)
    try:
        client.release(new_id())
    except grpc.RpcError as error:
        return error.code()
    finally:
        client.channel.close()
    return grpc.StatusCode.OK


def test_a_stopping_server_finishes_calls_in_flight_and_accepts_no_new_ones(
    server: Server, add_product: AddProduct
) -> None:
    product, client = add_product(10), Client(server.port)
    with ThreadPoolExecutor(2) as pool:
        with locked(product):
            in_flight = pool.submit(lambda: client.reserve(new_id(), {product.id: 1}))
            wait_until_a_session_waits_for_a_lock()
            stopped = pool.submit(server.stop, 10)
            eventually(
                lambda: code_of_a_release(server),
                "new calls to be refused",
                accept=lambda actual: actual is grpc.StatusCode.UNAVAILABLE,
            )
            assert not stopped.done(), "the stop is to wait for the call in flight"
        assert in_flight.result(timeout=10).items[0].quantity == 1
        stopped.result(timeout=10)
    assert left(product) == 9


def test_the_load_of_many_clients_oversells_nothing(server: Server, add_product: AddProduct) -> None:
    product = add_product(20)

    def buy() -> list[Any]:
        client, codes = Client(server.port), []
        for _ in range(5):
            try:
                order_id = new_id()
                client.reserve(order_id, {product.id: 1})
                client.commit(order_id)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
        client.channel.close()
        return codes

    results = at_once([buy for _ in range(8)])
    assert Counter(code for codes in results for code in codes) == {"OK": 20, "FAILED_PRECONDITION": 20}
    assert Product.objects.get(pk=product.pk).available == 0
