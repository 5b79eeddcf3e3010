"""Every step can fail in every way: the answer, the order, its stock, its charge and its event must be correct."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import grpc
import pytest
from contracts import events
from contracts.testing.bodies import assert_problem
from django.db import connection
from django_telemetry.edges import DependencyRefused
from django_telemetry.metrics import registry
from ordering import domain, reconciler
from ordering.clients import clients
from ordering.idempotency import Answer
from ordering.models import IdempotencyKey, KeyState, Order, OrderStatus, OutboxEvent, Reason
from ordering.placement import Line, Placement

from tests.conftest import Shopper, World, the_event, the_order
from tests.stubs import Reset

pytestmark = pytest.mark.django_db

Arrange = Callable[[World], None]

# The time limit of a call in tests of slow dependencies, and the delay of a slow one: enough for two attempts.
LIMIT = 0.3
LONG = 4 * LIMIT


def slow_http(stub: str, **how: Any) -> Arrange:
    """Let the HTTP dependency exceed the time limit."""

    def arrange(world: World) -> None:
        world.use(**{f"{stub}_call": LIMIT})
        getattr(world, stub).arrange(delay=LONG, **how)

    return arrange


def slow_grpc(method: str, **how: Any) -> Arrange:
    """Let the gRPC call exceed the time limit."""

    def arrange(world: World) -> None:
        world.use(inventory_call=LIMIT)
        world.inventory.arrange(method, None, delay=LONG, **how)

    return arrange


def http_faults(stub: str) -> list[Any]:
    """Ways in which an HTTP dependency can fail, as (name, what to arrange)."""
    return [
        pytest.param(lambda world: getattr(world, stub).stop(), id=f"{stub} refuses"),
        pytest.param(slow_http(stub, times=2), id=f"{stub} is too slow"),
        pytest.param(lambda world: getattr(world, stub).arrange(Reset, times=2), id=f"{stub} resets"),
        pytest.param(lambda world: getattr(world, stub).arrange((500, {}), times=2), id=f"{stub} fails"),
        pytest.param(lambda world: getattr(world, stub).arrange((503, {}), times=2), id=f"{stub} is unavailable"),
        pytest.param(lambda world: getattr(world, stub).arrange((401, {}), times=2), id=f"{stub} doesn't know us"),
    ]


def invalid_answers(stub: str) -> list[Any]:
    """Answers of an HTTP dependency that violate the contract, as (name, what to arrange)."""
    return [
        pytest.param(lambda world: getattr(world, stub).arrange((302, {}), times=2), id=f"{stub} redirects"),
        pytest.param(lambda world: getattr(world, stub).arrange((200, b"<html>"), times=2), id=f"{stub} sends HTML"),
        pytest.param(lambda world: getattr(world, stub).arrange((201, b"<html>"), times=2), id=f"{stub} makes HTML"),
        pytest.param(lambda world: getattr(world, stub).arrange((200, []), times=2), id=f"{stub} sends a list"),
        pytest.param(
            lambda world: getattr(world, stub).arrange((201, {"id": 1}), times=2), id=f"{stub} sends nonsense"
        ),
    ]


def grpc_faults(method: str) -> list[Any]:
    """Ways in which a gRPC call can fail."""
    codes = [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ]
    return [
        *(
            pytest.param(
                lambda world, code=code: world.inventory.arrange(method, code, times=2), id=f"{method} {code.name}"
            )
            for code in codes
        ),
        pytest.param(slow_grpc(method), id=f"{method} is too slow"),
        pytest.param(slow_grpc(method, effect=True), id=f"{method} answers too late"),
    ]


def assert_unavailable(response: Any, dependency: str) -> None:
    problem = assert_problem(response, 503, "dependency_unavailable")
    assert problem["dependency"] == dependency
    assert int(response["Retry-After"]) >= 1


def assert_invalid(response: Any, dependency: str) -> None:
    assert assert_problem(response, 502, "dependency_invalid")["dependency"] == dependency


def assert_cancelled(reason: Reason, *, charge_attempted: bool, event_reason: Reason | None = None) -> None:
    """Assert that the order and its event are cancelled for that reason."""
    order = the_order()
    assert (order.status, order.reason) == (OrderStatus.CANCELLED, reason)
    event = events.decode(events.encode(the_event().body))
    assert event["type"] == events.ORDER_CANCELLED
    assert event["data"]["reason"] == (event_reason or reason)
    assert event["data"]["charge_attempted"] is charge_attempted, "payments voids by this"


def assert_stock_comes_back(world: World) -> None:
    """Assert that the stock is returned, now or by the reconciler's next round."""
    reconciler.release_pending_stock()
    assert world.inventory.held() == 0, "no stock may stay held for a cancelled order"
    assert not the_order().stock_release_pending


def failed(reason: str) -> float:
    return registry.get_sample_value("orders_failed_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("arrange", http_faults("users"))
def test_while_users_is_down_nothing_is_reserved_or_charged(arrange: Arrange, shopper: Shopper, world: World) -> None:
    before = failed("users_unavailable")
    arrange(world)
    assert_unavailable(shopper.order(), "users")
    order = the_order()
    assert (order.status, order.reason) == (OrderStatus.CANCELLED, Reason.USERS_UNAVAILABLE)
    assert not order.stock_release_pending
    assert (world.inventory.calls, world.payments.requests) == ([], [])
    assert not OutboxEvent.objects.exists(), "no customer is known who could be notified"
    assert failed("users_unavailable") == before + 1


@pytest.mark.parametrize("arrange", grpc_faults("Reserve"))
def test_while_inventory_is_down_nothing_is_charged(arrange: Arrange, shopper: Shopper, world: World) -> None:
    before = failed("inventory_unavailable")
    arrange(world)
    assert_unavailable(shopper.order(), "inventory")
    assert world.payments.requests == []
    assert the_order().stock_release_pending, "the stock may be held: the outcome is unknown"
    assert_cancelled(Reason.INVENTORY_UNAVAILABLE, charge_attempted=False)
    assert failed("inventory_unavailable") == before + 1


def test_stock_reserved_by_a_call_that_got_no_answer_is_returned(shopper: Shopper, world: World) -> None:
    slow_grpc("Reserve", effect=True)(world)
    assert_unavailable(shopper.order(), "inventory")
    assert world.inventory.held() == 2
    assert_stock_comes_back(world)


def test_an_inventory_that_refuses_connections_is_named(shopper: Shopper, world: World) -> None:
    world.inventory.stop()
    assert_unavailable(shopper.order(), "inventory")
    assert_cancelled(Reason.INVENTORY_UNAVAILABLE, charge_attempted=False)


@pytest.mark.parametrize(
    "change",
    [
        {"price": "19.9"},
        {"price": "-1.00"},
        {"price": "NaN"},
        {"price": "9999999999.99"},
        {"price": "12345678901.00"},
        {"sku": ""},
        {"sku": "S" * 65},
        {"name": "N" * 201},
    ],
    ids=str,
)
def test_a_reservation_that_violates_the_contract_is_not_charged(
    change: dict[str, str], shopper: Shopper, world: World
) -> None:
    product_id = world.inventory.add_product(**change)
    response = shopper.order(shopper.body(items=[{"product_id": product_id, "quantity": 2}]))
    assert_invalid(response, "inventory")
    assert world.payments.requests == []
    assert_cancelled(Reason.INVENTORY_INVALID, charge_attempted=False, event_reason=Reason.INVENTORY_UNAVAILABLE)
    assert_stock_comes_back(world)


@pytest.mark.parametrize("arrange", http_faults("payments"))
def test_while_payments_is_down_the_stock_is_released_and_the_charge_voided(
    arrange: Arrange, shopper: Shopper, world: World
) -> None:
    before = failed("payment_unavailable")
    arrange(world)
    assert_unavailable(shopper.order(), "payments")
    assert world.inventory.held() == 0, "the stock has to be released at once: inventory is there"
    assert not the_order().stock_release_pending
    assert_cancelled(Reason.PAYMENT_UNAVAILABLE, charge_attempted=True)
    assert world.inventory.called("Commit") == 0
    assert failed("payment_unavailable") == before + 1


@pytest.mark.parametrize("arrange", invalid_answers("payments"))
def test_an_invalid_answer_of_payments_is_no_outage_and_undoes_the_order(
    arrange: Arrange, shopper: Shopper, world: World
) -> None:
    before = failed("payment_invalid"), failed("payment_unavailable")
    arrange(world)
    assert_invalid(shopper.order(), "payments")
    assert world.inventory.held() == 0
    assert_cancelled(Reason.PAYMENT_INVALID, charge_attempted=True, event_reason=Reason.PAYMENT_UNAVAILABLE)
    assert (failed("payment_invalid"), failed("payment_unavailable")) == (before[0] + 1, before[1])


def test_a_charge_captured_by_a_call_that_got_no_answer_is_voided(shopper: Shopper, world: World) -> None:
    slow_http("payments", effect=True)(world)
    assert_unavailable(shopper.order(), "payments")
    assert world.captured() == 1
    assert_cancelled(Reason.PAYMENT_UNAVAILABLE, charge_attempted=True)


@pytest.mark.parametrize("arrange", grpc_faults("Commit"))
def test_a_captured_charge_is_voided_when_the_reservation_cannot_be_made_final(
    arrange: Arrange, shopper: Shopper, world: World
) -> None:
    arrange(world)
    assert_unavailable(shopper.order(), "inventory")
    assert world.captured() == 1
    assert_cancelled(Reason.INVENTORY_UNAVAILABLE, charge_attempted=True)
    assert_stock_comes_back(world)


@pytest.mark.parametrize("code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND])
def test_a_reservation_lost_before_its_commit_undoes_the_order(
    code: grpc.StatusCode, shopper: Shopper, world: World
) -> None:
    world.inventory.arrange("Commit", code)
    assert_unavailable(shopper.order(), "inventory")
    assert_cancelled(Reason.INVENTORY_UNAVAILABLE, charge_attempted=True)
    assert world.inventory.held() == 0
    assert not the_order().stock_release_pending


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [
        ("tok_declined", "card_declined", Reason.PAYMENT_DECLINED),
        ("tok_insufficient_funds", "insufficient_funds", Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_a_declined_card_releases_the_stock(
    token: str, code: str, reason: Reason, shopper: Shopper, world: World
) -> None:
    before = failed(reason)
    problem = assert_problem(shopper.order(shopper.body(payment_token=token)), 402, code)
    assert problem["order_id"] == str(the_order().id)
    assert_cancelled(reason, charge_attempted=True)
    assert world.inventory.held() == 0
    assert not the_order().stock_release_pending
    assert failed(reason) == before + 1


def test_stock_that_cannot_be_released_now_is_released_later(shopper: Shopper, world: World) -> None:
    world.inventory.arrange("Release", grpc.StatusCode.UNAVAILABLE, times=2)
    assert_problem(shopper.order(shopper.body(payment_token="tok_declined")), 402)
    assert the_order().stock_release_pending
    assert world.inventory.held() == 2
    assert_stock_comes_back(world)


def test_out_of_stock_names_the_products(shopper: Shopper, world: World) -> None:
    before = failed("out_of_stock")
    plenty, sold_out = world.inventory.add_product(), world.inventory.add_product(stock=1)
    items = [{"product_id": plenty, "quantity": 2}, {"product_id": sold_out, "quantity": 2}]
    problem = assert_problem(shopper.order(shopper.body(items=items)), 409, "out_of_stock")
    assert problem["product_ids"] == [sold_out]
    assert_cancelled(Reason.OUT_OF_STOCK, charge_attempted=False)
    assert (world.payments.requests, world.inventory.held()) == ([], 0)
    assert failed("out_of_stock") == before + 1


@pytest.mark.parametrize(
    "trailing", [(("out-of-stock", "{"),), (("out-of-stock", '{"a": 1}'),), (("out-of-stock", '["x"]'),)]
)
def test_an_unreadable_out_of_stock_answer_is_an_invalid_answer_of_inventory(
    trailing: Any, shopper: Shopper, world: World
) -> None:
    world.inventory.arrange("Reserve", grpc.StatusCode.FAILED_PRECONDITION, trailing=trailing)
    assert_invalid(shopper.order(), "inventory")


def test_an_unknown_product_leaves_nothing_behind(shopper: Shopper, world: World) -> None:
    before = failed("unknown_product")
    body = shopper.body(items=[{"product_id": str(uuid.uuid4()), "quantity": 1}])
    assert_problem(shopper.order(body), 400, "unknown_product")
    assert not Order.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert world.payments.requests == []
    assert failed("unknown_product") == before + 1


@pytest.mark.parametrize("known", [True, False])
def test_an_inactive_account_cannot_order(known: bool, shopper: Shopper, world: World) -> None:
    world.users.active = False
    if not known:
        world.users.arrange((404, {}))
    assert_problem(shopper.order(), 403, "account_inactive")
    assert not Order.objects.exists()
    assert (world.inventory.calls, world.payments.requests) == ([], [])


def test_a_users_call_that_fails_once_is_retried(shopper: Shopper, world: World) -> None:
    world.users.arrange(Reset)
    assert shopper.order().status_code == 201
    assert len(world.users.requests) == 2


@pytest.mark.parametrize("method", ["Reserve", "Commit"])
def test_an_inventory_call_that_is_unavailable_once_is_retried(method: str, shopper: Shopper, world: World) -> None:
    world.inventory.arrange(method, grpc.StatusCode.UNAVAILABLE)
    assert shopper.order().status_code == 201
    assert world.inventory.called(method) == 2


@pytest.mark.parametrize("effect", [False, True], ids=["before the charge", "after the charge"])
def test_a_charge_whose_connection_breaks_is_retried_and_made_once(
    effect: bool, shopper: Shopper, world: World
) -> None:
    world.payments.arrange(Reset, effect=effect)
    assert shopper.order().status_code == 201
    assert len(world.payments.requests) == 2
    assert world.captured() == 1


def test_charges_are_retried_only_within_the_retry_budget(world: World) -> None:
    world.payments.arrange(Reset, times=100)
    labels = {"dependency": "payments", "protocol": "http", "operation": "POST /internal/v1/charges"}
    before = registry.get_sample_value("dependency_retries_total", labels)
    assert before is not None
    for _ in range(30):
        with pytest.raises(DependencyRefused):
            clients().payments.charge(uuid.uuid4(), Decimal("1.00"), "EUR", "tok_ok")
    retries = registry.get_sample_value("dependency_retries_total", labels)
    assert retries is not None
    assert len(world.payments.requests) == 30 + retries - before
    assert 10 <= retries - before < 20, "ten retries at once, and one for each ten calls"


def test_a_slow_charge_is_not_retried(shopper: Shopper, world: World) -> None:
    slow_http("payments")(world)
    assert_unavailable(shopper.order(), "payments")
    assert len(world.payments.requests) == 1, "payments is slow already: a second charge would make it slower"


def test_calls_are_limited_to_the_time_left_of_the_order(shopper: Shopper, world: World) -> None:
    world.use(order=1.5)
    world.payments.arrange(delay=3.0)
    assert_unavailable(shopper.order(), "payments")
    [request] = world.payments.requests
    assert int(request.headers["x-request-deadline-ms"]) <= 1500
    assert_cancelled(Reason.PAYMENT_UNAVAILABLE, charge_attempted=True)
    assert world.inventory.held() == 0, "undoing has its own time"


def test_a_client_with_a_short_deadline_gets_an_answer_in_time(shopper: Shopper, world: World) -> None:
    world.users.arrange(delay=3.0, times=2)
    assert_unavailable(shopper.order(**{"x-request-deadline-ms": "100"}), "users")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("during", "charges"), [("Reserve", 0), ("Commit", 1)])
def test_an_order_cancelled_meanwhile_goes_no_further(
    during: str, charges: int, shopper: Shopper, world: World
) -> None:
    """Simulates a process paused for so long that the reconciler cancelled its order."""

    def give_up(method: str) -> None:
        if method == during:
            domain.cancel(Order.objects.get(), Reason.INTERRUPTED, release=True)
            connection.close()

    world.inventory.before = give_up
    assert_problem(shopper.order(), 503, "interrupted")
    assert world.captured() == charges
    assert_cancelled(Reason.INTERRUPTED, charge_attempted=charges > 0)
    assert_stock_comes_back(world)


@pytest.mark.django_db(transaction=True)
def test_a_database_failure_after_the_charge_undoes_the_order(shopper: Shopper, world: World) -> None:
    def break_connections(method: str) -> None:
        if method == "Commit":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            connection.close()

    world.inventory.before = break_connections
    assert_unavailable(shopper.order(key="k"), "postgresql")
    assert world.captured() == 1
    assert_cancelled(Reason.INTERRUPTED, charge_attempted=True)
    assert IdempotencyKey.objects.get().state == KeyState.RETRYABLE
    assert_stock_comes_back(world)


@pytest.mark.django_db(transaction=True)
def test_an_unexpected_error_undoes_the_order(shopper: Shopper, world: World) -> None:
    def broken(outcome: Order | domain.OrderFailed) -> Answer:
        raise ZeroDivisionError

    placement = Placement(shopper.id, "k", (Line(uuid.UUID(world.inventory.add_product()), 1),), payment_token="tok_ok")
    with pytest.raises(ZeroDivisionError):
        domain.place(placement, broken)
    assert world.captured() == 1
    assert_cancelled(Reason.INTERRUPTED, charge_attempted=True)
    assert_stock_comes_back(world)


def test_the_key_of_a_failed_order_is_free(shopper: Shopper, world: World) -> None:
    world.payments.arrange((503, {}))
    assert_unavailable(shopper.order(key="k"), "payments")
    assert IdempotencyKey.objects.get().state == KeyState.RETRYABLE
