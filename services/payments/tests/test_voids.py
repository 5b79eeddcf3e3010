"""Voiding a charge over HTTP: in every state, repeatedly, and concurrently with a charge."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from card_provider.behaviour import Behaviour
from card_provider.ledger import CANCELED, CAPTURED, REFUNDED
from card_provider.server import CardProvider as Simulator
from charging.models import Charge, Status
from contracts.testing.bodies import assert_problem
from django.db import connection
from django.test import Client
from platform_testing.polling import eventually

from tests.conftest import AT_ONCE, body, post_charge, post_void
from tests.metrics import counted

pytestmark = pytest.mark.django_db

ERRORS = Behaviour(error_ratio=1, median_ms=0, p99_ms=0)


def at_provider(simulator: Simulator) -> list[str]:
    """Return the statuses of all charges stored at the provider."""
    return [charge.status for charge in simulator.ledger.charges()]


def left_pending(api: Client, simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Create a charge that reached the provider, but whose answer was lost."""
    data = body(**changes)
    response = post_charge(api, data)
    assert response.status_code in {201, 402}
    Charge.objects.filter(order_id=data["order_id"]).update(status=Status.PENDING, provider_ref="", decline_code="")
    return data


def test_a_captured_charge_is_refunded(api: Client, simulator: Simulator) -> None:
    data = body()
    post_charge(api, data)
    with counted("voids_total", outcome="refunded") as refunded:
        response = post_void(api, data["order_id"])
    assert response.status_code == 200
    assert response.json()["status"] == "voided"
    assert at_provider(simulator) == [REFUNDED]
    assert refunded() == 1


def test_a_void_can_be_repeated(api: Client, simulator: Simulator) -> None:
    data = body()
    post_charge(api, data)
    first = post_void(api, data["order_id"])
    with counted("voids_total", outcome="repeated") as repeated:
        again = post_void(api, data["order_id"])
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert at_provider(simulator) == [REFUNDED]
    assert repeated() == 1


def test_a_voided_order_is_not_charged_again(api: Client, simulator: Simulator) -> None:
    data = body()
    post_charge(api, data)
    post_void(api, data["order_id"])
    assert_problem(post_charge(api, data), 409, "order_cancelled")
    assert_problem(post_charge(api, data, key="another key"), 409, "order_cancelled")
    assert at_provider(simulator) == [REFUNDED]


def test_a_void_before_its_charge_refuses_the_late_charge(api: Client, simulator: Simulator) -> None:
    data = body()
    with counted("voids_total", outcome="recorded") as recorded:
        response = post_void(api, data["order_id"])
    assert response.status_code == 200
    answer = response.json()
    assert (answer["status"], answer["amount"], answer["currency"]) == ("voided", None, "")
    assert recorded() == 1
    assert_problem(post_charge(api, data), 409, "order_cancelled")
    assert at_provider(simulator) == []
    assert api.get(f"/internal/v1/charges/{data['order_id']}").json() == answer
    assert post_void(api, data["order_id"]).json() == answer


def test_a_declined_charge_stays_declined(api: Client, simulator: Simulator) -> None:
    data = body(payment_token="tok_declined")
    post_charge(api, data)
    with counted("voids_total", outcome="nothing_taken") as nothing_taken:
        response = post_void(api, data["order_id"])
    assert response.status_code == 200
    assert response.json()["status"] == "declined"
    assert nothing_taken() == 1


def test_a_pending_charge_that_was_captured_is_refunded(api: Client, simulator: Simulator) -> None:
    data = left_pending(api, simulator)
    with counted("voids_total", outcome="refunded") as refunded:
        response = post_void(api, data["order_id"])
    assert response.json()["status"] == "voided"
    assert at_provider(simulator) == [REFUNDED]
    assert refunded() == 1


def test_a_pending_charge_that_was_declined_becomes_declined(api: Client, simulator: Simulator) -> None:
    data = left_pending(api, simulator, payment_token="tok_insufficient_funds")
    response = post_void(api, data["order_id"])
    assert (response.json()["status"], response.json()["decline_code"]) == ("declined", "insufficient_funds")
    assert_problem(post_charge(api, data), 402, "insufficient_funds")


def test_a_pending_charge_that_never_arrived_cannot_arrive_later(
    api: Client, simulator: Simulator, provider_at: Callable[[str], Any]
) -> None:
    data = body()
    own_address = f"http://127.0.0.1:{simulator.server_address[1]}"
    provider_at("http://127.0.0.1:9")
    assert_problem(post_charge(api, data), 503)
    client = provider_at(own_address)
    with counted("voids_total", outcome="cancelled") as cancelled:
        assert post_void(api, data["order_id"]).json()["status"] == "voided"
    assert cancelled() == 1
    assert at_provider(simulator) == [CANCELED]
    # The delayed request now reaches the provider, bypassing our own table.
    late = client._session.request(
        "POST",
        "/v1/charges",
        json={"idempotency_key": data["order_id"], "amount": "19.90", "currency": "EUR", "source": "tok_ok"},
    )
    assert (late.status_code, late.json()["code"]) == (409, "canceled")
    assert_problem(post_charge(api, data), 409, "order_cancelled")


@pytest.mark.parametrize("pending", [True, False])
def test_a_provider_that_is_down_answers_503_and_a_repetition_voids(
    api: Client, simulator: Simulator, pending: bool
) -> None:
    data = left_pending(api, simulator) if pending else body()
    if not pending:
        post_charge(api, data)
    before = Charge.objects.get(order_id=data["order_id"]).status
    simulator.control.behaviour = ERRORS
    with counted("voids_total", outcome="unavailable") as unavailable:
        response = post_void(api, data["order_id"])
    problem = assert_problem(response, 503, "dependency_unavailable")
    assert problem["dependency"] == "card-provider"
    assert response["Retry-After"]
    assert unavailable() == 1
    assert Charge.objects.get(order_id=data["order_id"]).status == before
    simulator.control.behaviour = AT_ONCE
    assert post_void(api, data["order_id"]).json()["status"] == "voided"
    assert at_provider(simulator) == [REFUNDED]


def test_a_refund_that_the_provider_refuses_is_reported(api: Client, simulator: Simulator) -> None:
    data = body()
    post_charge(api, data)
    Charge.objects.update(provider_ref=f"ch_{'0' * 32}")
    with counted("voids_total", outcome="refused") as refused:
        assert_problem(post_void(api, data["order_id"]), 409, "refund_refused")
    assert refused() == 1
    assert Charge.objects.get().status == Status.CAPTURED


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b""),
        (200, b"[]"),
        (200, b'{"status": "perhaps"}'),
        (201, b'{"status": "refunded"}'),
        (500, b"{}"),
        (204, b""),
    ],
)
@pytest.mark.parametrize("pending", [True, False])
def test_a_malformed_answer_voids_nothing(
    api: Client,
    simulator: Simulator,
    provider_at: Callable[[str], Any],
    answering: Callable[..., str],
    status: int,
    content: bytes,
    pending: bool,
) -> None:
    data = left_pending(api, simulator) if pending else body()
    if not pending:
        post_charge(api, data)
    provider_at(answering(status, content))
    assert_problem(post_void(api, data["order_id"]), 503, "dependency_unavailable")
    assert Charge.objects.get().status == (Status.PENDING if pending else Status.CAPTURED)


@pytest.mark.parametrize("order_id", ["not-a-uuid", "1", "%00", "a" * 300])
def test_an_invalid_order_id_is_not_found(api: Client, order_id: str) -> None:
    assert_problem(post_void(api, order_id), 404, "not_found")
    assert not Charge.objects.exists()


def test_a_request_without_a_token_is_refused() -> None:
    assert_problem(post_void(Client(), uuid.uuid4()), 401, "not_authenticated")
    assert not Charge.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Concurrent voids and charges: in any sequence, the customer doesn't pay for a cancelled order."""

    def test_a_void_during_its_charge_wins(self, api: Client, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=500)
        data = body()

        def send() -> Any:
            try:
                return post_charge(api, data)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            charged = pool.submit(send)
            eventually(lambda: len(simulator.ledger), "the charge at the provider")
            simulator.control.behaviour = AT_ONCE
            assert post_void(api, data["order_id"]).json()["status"] == "voided"
            assert not charged.done(), "expected the charge to be still waiting for the provider"
            assert_problem(charged.result(), 409, "order_cancelled")
        assert at_provider(simulator) == [REFUNDED]
        assert Charge.objects.get().status == Status.VOIDED

    def test_in_any_sequence_no_money_stays_taken(self, api: Client, simulator: Simulator) -> None:
        for _ in range(15):
            data = body()
            barrier = threading.Barrier(4)

            def run(send: Callable[[Client, Any], Any], what: Any, barrier: threading.Barrier = barrier) -> Any:
                barrier.wait()
                try:
                    return send(api, what)
                finally:
                    connection.close()

            with ThreadPoolExecutor(4) as pool:
                charges = [pool.submit(run, post_charge, data) for _ in range(2)]
                voids = [pool.submit(run, post_void, data["order_id"]) for _ in range(2)]
            assert {void.result().status_code for void in voids} == {200}
            assert {charge.result().status_code for charge in charges} <= {201, 409}
            assert Charge.objects.get(order_id=data["order_id"]).status == Status.VOIDED
            assert CAPTURED not in at_provider(simulator)
