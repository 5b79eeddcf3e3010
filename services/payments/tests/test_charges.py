"""Charging an order over HTTP: results, repetitions, invalid input, and provider failures."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from card_provider.behaviour import Behaviour
from card_provider.ledger import CAPTURED
from card_provider.server import CardProvider as Simulator
from charging import clients
from charging.models import Charge, Status
from contracts.testing.bodies import BAD_BODIES, assert_problem
from contracts.testing.plugin import SERVICE_TOKENS
from contracts.testing.tokens import access_token, bad_tokens
from django.db import connection
from django.test import Client
from django.utils import timezone
from platform_testing.polling import eventually

from tests.conftest import AT_ONCE, body, post_charge
from tests.metrics import counted

pytestmark = pytest.mark.django_db


def taken(simulator: Simulator) -> int:
    """Return the number of charges that the provider has captured."""
    return sum(charge.status == CAPTURED for charge in simulator.ledger.charges())


def test_a_valid_card_is_charged_once(api: Client, simulator: Simulator) -> None:
    data = body()
    with counted("payments_total", outcome="captured") as captured:
        response = post_charge(api, data)
    assert response.status_code == 201, response.content
    answer = response.json()
    charge = Charge.objects.get(order_id=data["order_id"])
    assert answer == {
        "id": str(charge.id),
        "order_id": data["order_id"],
        "status": "captured",
        "amount": "19.90",
        "currency": "EUR",
        "decline_code": "",
        "created_at": answer["created_at"],
    }
    assert charge.provider_ref.startswith("ch_")
    assert charge.claimed_until is None
    assert taken(simulator) == 1
    assert captured() == 1


@pytest.mark.parametrize(
    ("token", "code", "status", "decline_code"),
    [
        ("tok_declined", "card_declined", Status.DECLINED, "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds", Status.DECLINED, "insufficient_funds"),
        ("tok_unknown", "card_declined", Status.FAILED, "invalid_source"),
    ],
)
def test_a_declined_card_answers_402_with_the_reason(
    api: Client, simulator: Simulator, token: str, code: str, status: str, decline_code: str
) -> None:
    data = body(payment_token=token)
    with counted("card_provider_declines_total", code=decline_code) as declines:
        first = post_charge(api, data)
        again = post_charge(api, data)
    assert_problem(first, 402, code)
    assert_problem(again, 402, code)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    charge = Charge.objects.get(order_id=data["order_id"])
    assert (charge.status, charge.decline_code) == (status, decline_code)
    assert taken(simulator) == 0
    assert declines() == 1, "a repetition is not a second decline"


def test_the_same_key_gets_the_same_charge(api: Client, simulator: Simulator) -> None:
    data = body()
    first = post_charge(api, data)
    again = post_charge(api, data)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert taken(simulator) == 1


@pytest.mark.parametrize("change", [{"amount": "19.91"}, {"currency": "USD"}, {"payment_token": "tok_declined"}])
def test_a_key_with_another_body_is_refused(api: Client, change: dict[str, str]) -> None:
    data = body()
    assert post_charge(api, data).status_code == 201
    assert_problem(post_charge(api, {**data, **change}), 422, "idempotency_key_reused")


def test_a_key_of_another_order_is_refused(api: Client) -> None:
    first = body()
    assert post_charge(api, first).status_code == 201
    other = body()
    assert_problem(post_charge(api, other, key=first["order_id"]), 422, "idempotency_key_reused")
    assert not Charge.objects.filter(order_id=other["order_id"]).exists()


def test_an_order_is_not_charged_under_a_second_key(api: Client, simulator: Simulator) -> None:
    data = body()
    assert post_charge(api, data).status_code == 201
    assert_problem(post_charge(api, data, key="another key"), 409, "order_already_charged")
    assert taken(simulator) == 1


@pytest.mark.parametrize("key", [None, " ", "k" * 256, "ключ", "tab\tinside"])
def test_a_missing_or_malformed_key_is_refused(api: Client, key: str | None) -> None:
    assert_problem(post_charge(api, body(), key=key), 400, "idempotency_key_required")
    assert not Charge.objects.exists()


@pytest.mark.parametrize(("wrong", "raw", "content_type", "status"), BAD_BODIES, ids=[case[0] for case in BAD_BODIES])
def test_a_malformed_body_is_refused(api: Client, wrong: str, raw: bytes, content_type: str, status: int) -> None:
    response = api.post("/internal/v1/charges", raw, content_type=content_type, headers={"Idempotency-Key": "k"})
    assert_problem(response, status)
    assert not Charge.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("order_id", None, "required"),
        ("order_id", "not-a-uuid", "invalid"),
        ("order_id", 7, "invalid"),
        ("order_id", "", "invalid"),
        ("amount", None, "required"),
        ("amount", 19.9, "invalid"),
        ("amount", 19, "invalid"),
        ("amount", True, "invalid"),
        ("amount", "19.9", "invalid"),
        ("amount", "19,90", "invalid"),
        ("amount", "-1.00", "invalid"),
        ("amount", "0.00", "invalid"),
        ("amount", "1e5", "invalid"),
        ("amount", "NaN", "invalid"),
        ("amount", "19.90\n", "invalid"),
        ("amount", "١٩.٩٠", "invalid"),
        ("amount", "10000000000.00", "invalid"),
        ("currency", None, "required"),
        ("currency", "eur", "invalid"),
        ("currency", "EURO", "invalid"),
        ("currency", ["EUR"], "invalid"),
        ("payment_token", None, "required"),
        ("payment_token", "", "blank"),
        ("payment_token", "4111111111111111", "invalid"),
        ("payment_token", "tok_ok ", "invalid"),
        ("payment_token", "tok_" + "a" * 61, "max_length"),
        ("payment_token", {"tok": "ok"}, "invalid"),
        ("tip", "1.00", "unknown_field"),
    ],
)
def test_an_invalid_member_is_named(api: Client, field: str, value: Any, code: str) -> None:
    problem = assert_problem(post_charge(api, body(**{field: value}), key="a key"), 400, "invalid")
    assert (field, code) in {(error["field"], error["code"]) for error in problem["errors"]}, problem["errors"]
    assert not Charge.objects.exists()


@pytest.mark.parametrize("token", bad_tokens().values(), ids=bad_tokens().keys())
@pytest.mark.parametrize(
    ("method", "path"), [("post", ""), ("get", f"/{uuid.uuid4()}"), ("post", f"/{uuid.uuid4()}/void")]
)
def test_an_invalid_token_is_refused(method: str, path: str, token: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {token}"})
    response = getattr(client, method)(f"/internal/v1/charges{path}", content_type="application/json")
    assert_problem(response, 401, "token_invalid")
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert not Charge.objects.exists()


def test_a_user_token_may_not_charge() -> None:
    client = Client(headers={"Authorization": f"Bearer {access_token()}"})
    assert_problem(post_charge(client, body()), 401, "token_invalid")


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic b3JkZXJzOng="}])
def test_a_request_without_a_token_is_refused(header: dict[str, str]) -> None:
    assert_problem(post_charge(Client(headers=header), body()), 401, "not_authenticated")


def test_the_console_may_call_too(provider: clients.CardProvider) -> None:
    client = Client(headers={"Authorization": f"Bearer {SERVICE_TOKENS['console']}"})
    assert post_charge(client, body()).status_code == 201


def test_a_charge_can_be_read(api: Client) -> None:
    data = body()
    made = post_charge(api, data).json()
    response = api.get(f"/internal/v1/charges/{data['order_id']}")
    assert response.status_code == 200
    assert response.json() == made


@pytest.mark.parametrize("order_id", [str(uuid.uuid4()), "not-a-uuid", "1", "%00"])
def test_an_unknown_charge_is_not_found(api: Client, order_id: str) -> None:
    assert_problem(api.get(f"/internal/v1/charges/{order_id}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("delete", f"/{uuid.uuid4()}"), ("get", f"/{uuid.uuid4()}/void")]
)
def test_an_unsupported_method_is_refused(api: Client, method: str, path: str) -> None:
    response = getattr(api, method)(f"/internal/v1/charges{path}")
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"]


class TestProviderAway:
    """The provider doesn't give a usable answer."""

    def test_an_internal_error_answers_503_and_a_repetition_charges_once(
        self, api: Client, simulator: Simulator
    ) -> None:
        data = body()
        simulator.control.behaviour = Behaviour(error_ratio=1, median_ms=0, p99_ms=0)
        with counted("payments_total", outcome="unavailable") as unavailable:
            for _ in range(8):  # some fail before the card was charged, some after
                response = post_charge(api, data)
                problem = assert_problem(response, 503, "dependency_unavailable")
                assert problem["dependency"] == "card-provider"
                assert int(response["Retry-After"]) >= 1
        assert unavailable() == 8
        assert Charge.objects.get(order_id=data["order_id"]).status == Status.PENDING
        assert taken(simulator) == 1, "expected that an error struck after the work at least once"
        simulator.control.behaviour = AT_ONCE
        response = post_charge(api, data)
        assert response.status_code == 201
        assert "Idempotent-Replayed" not in response
        assert taken(simulator) == 1

    def test_a_refused_connection_answers_503(self, api: Client, provider_at: Callable[[str], Any]) -> None:
        provider_at("http://127.0.0.1:9")
        data = body()
        assert_problem(post_charge(api, data), 503, "dependency_unavailable")
        assert Charge.objects.get(order_id=data["order_id"]).status == Status.PENDING

    def test_a_timeout_answers_503_and_a_repetition_charges_once(
        self, api: Client, simulator: Simulator, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clients.card_provider(), "_timeout", 0.2)
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=1000)
        data = body()
        started = time.monotonic()
        assert_problem(post_charge(api, data), 503, "dependency_unavailable")
        assert time.monotonic() - started < 0.9, "expected no second attempt after a timeout"
        simulator.control.behaviour = AT_ONCE
        assert post_charge(api, data).status_code == 201
        assert taken(simulator) == 1

    def test_no_call_is_made_after_the_deadline(self, api: Client, simulator: Simulator) -> None:
        data = body()
        headers = {"Idempotency-Key": data["order_id"], "X-Request-Deadline-Ms": "0"}
        response = api.post("/internal/v1/charges", data, content_type="application/json", headers=headers)
        assert_problem(response, 503, "dependency_unavailable")
        assert len(simulator.ledger) == 0
        assert post_charge(api, data).status_code == 201

    @pytest.mark.parametrize(
        ("status", "content"),
        [
            (201, b""),
            (201, b"not json"),
            (201, b"[" * 100_000),
            (201, b"[]"),
            (201, b"null"),
            (201, b"\xff\xfe"),
            (201, b'{"status": "captured"}'),
            (201, b'{"status": "captured", "id": "ch_1", "amount": "0.01", "currency": "EUR"}'),
            (201, b'{"status": "captured", "id": 7, "amount": "19.90", "currency": "EUR"}'),
            (201, b'{"status": "captured", "id": "", "amount": "19.90", "currency": "EUR"}'),
            (201, b'{"status": "captured", "id": "a/../b", "amount": "19.90", "currency": "EUR"}'),
            (201, b'{"status": "pondering", "id": "ch_1", "amount": "19.90", "currency": "EUR"}'),
            (200, b'{"ok": true}'),
            (204, b""),
            (302, b""),
            (400, b'{"code": "something_else"}'),
            (401, b"{}"),
            (404, b"{}"),
            (409, b"{}"),
            (418, b"{}"),
            (429, b"{}"),
            (503, b"<html>"),
            (201, b'{"filling": "' + b"x" * 200_000 + b'"}'),
        ],
    )
    def test_a_malformed_answer_leaves_the_charge_pending(
        self,
        api: Client,
        provider_at: Callable[[str], Any],
        simulator: Simulator,
        answering: Callable[..., str],
        status: int,
        content: bytes,
    ) -> None:
        address = provider_at(answering(status, content))
        data = body()
        assert_problem(post_charge(api, data), 503, "dependency_unavailable")
        assert Charge.objects.get(order_id=data["order_id"]).status == Status.PENDING
        assert address is not None

    @pytest.mark.parametrize(
        "content", [b"", b"null", b'{"code": 7}', b'{"code": "no_such_code_yet"}', b'{"code": "<b>"}']
    )
    def test_a_decline_without_a_known_code_is_a_decline(
        self, api: Client, provider_at: Callable[[str], Any], answering: Callable[..., str], content: bytes
    ) -> None:
        provider_at(answering(402, content))
        with counted("card_provider_declines_total", code="other") as declines:
            assert_problem(post_charge(api, body()), 402, "card_declined")
        assert declines() == 1


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Concurrent requests."""

    def test_eight_concurrent_requests_with_one_key_charge_once(self, api: Client, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=200)
        data = body()
        barrier = threading.Barrier(8)

        def send() -> Any:
            barrier.wait()
            try:
                return post_charge(api, data)
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(send) for _ in range(8)]]
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses.count(201) >= 1
        assert set(statuses) <= {201, 409}, statuses
        for answer in answers:
            if answer.status_code == 409:
                assert_problem(answer, 409, "request_in_progress")
                assert answer["Retry-After"] == "1"
        assert len(simulator.ledger) == 1
        assert Charge.objects.count() == 1
        assert post_charge(api, data)["Idempotent-Replayed"] == "true"

    def test_no_transaction_is_open_during_the_call_to_the_provider(self, api: Client, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=600)
        data = body()

        def send() -> Any:
            try:
                return post_charge(api, data)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(send)
            eventually(lambda: len(simulator.ledger), "the charge at the provider")
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'"
                )
                assert cursor.fetchone() == (0,), "a transaction is open during the provider's call"
            assert not answer.done()
            assert answer.result().status_code == 201

    def test_a_claim_of_a_process_that_died_expires(self, api: Client, simulator: Simulator) -> None:
        data = body()
        assert post_charge(api, data).status_code == 201
        # The state after a kill: charged at the provider, still pending and claimed here.
        pending = {"status": Status.PENDING, "provider_ref": ""}
        Charge.objects.update(**pending, claimed_until=timezone.now() + timedelta(seconds=5))
        assert_problem(post_charge(api, data), 409, "request_in_progress")
        Charge.objects.update(claimed_until=timezone.now())
        assert post_charge(api, data).status_code == 201
        assert taken(simulator) == 1
