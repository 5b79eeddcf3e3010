"""The simulated provider over real HTTP: idempotent, slow and faulty as configured, bounded, with a clean shutdown."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
from card_provider.behaviour import Behaviour
from card_provider.ledger import Ledger, Refusal
from card_provider.server import MAX_CONNECTIONS
from card_provider.server import CardProvider as Simulator
from platform_testing.polling import eventually

from tests.conftest import url_of

SERVICE_FOLDER = Path(__file__).parent.parent
CHARGE = {"idempotency_key": "k", "amount": "19.90", "currency": "EUR", "source": "tok_ok"}


def address_of(simulator: Simulator) -> tuple[str, int]:
    return "127.0.0.1", int(simulator.server_address[1])


def post(simulator: Simulator, path: str, data: Any) -> requests.Response:
    return requests.post(url_of(simulator) + path, json=data, timeout=5)


def test_a_charge_is_made_once_per_key(simulator: Simulator) -> None:
    first, again = post(simulator, "/v1/charges", CHARGE), post(simulator, "/v1/charges", CHARGE)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.json()["status"] == "captured"
    assert "tok_ok" not in first.text
    assert len(simulator.ledger) == 1


@pytest.mark.parametrize("code", ["card_declined", "insufficient_funds"])
def test_a_declining_token_is_declined_each_time(simulator: Simulator, code: str) -> None:
    token = {"card_declined": "tok_declined", "insufficient_funds": "tok_insufficient_funds"}[code]
    for _ in range(2):
        answer = post(simulator, "/v1/charges", {**CHARGE, "source": token})
        assert (answer.status_code, answer.json()["code"]) == (402, code)


def test_an_unknown_token_is_an_invalid_source(simulator: Simulator) -> None:
    answer = post(simulator, "/v1/charges", {**CHARGE, "source": "tok_other"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_source")
    assert len(simulator.ledger) == 0


def test_a_key_with_another_amount_is_refused(simulator: Simulator) -> None:
    post(simulator, "/v1/charges", CHARGE)
    answer = post(simulator, "/v1/charges", {**CHARGE, "amount": "20.00"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_refund_is_made_once(simulator: Simulator) -> None:
    charge = post(simulator, "/v1/charges", CHARGE).json()["id"]
    answers = [post(simulator, f"/v1/charges/{charge}/refund", {}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["status"] == "refunded"


def test_a_charge_that_was_not_captured_is_not_refunded(simulator: Simulator) -> None:
    declined = post(simulator, "/v1/charges", {**CHARGE, "source": "tok_declined"}).json()["id"]
    assert post(simulator, f"/v1/charges/{declined}/refund", {}).status_code == 409
    assert post(simulator, f"/v1/charges/ch_{'0' * 32}/refund", {}).status_code == 404


def test_a_cancelled_key_never_takes_money(simulator: Simulator) -> None:
    assert post(simulator, "/v1/cancellations", {"idempotency_key": "k"}).json()["status"] == "canceled"
    answer = post(simulator, "/v1/charges", CHARGE)
    assert (answer.status_code, answer.json()["code"]) == (409, "canceled")


def test_cancelling_a_captured_key_refunds_it(simulator: Simulator) -> None:
    post(simulator, "/v1/charges", CHARGE)
    for _ in range(2):
        assert post(simulator, "/v1/cancellations", {"idempotency_key": "k"}).json()["status"] == "refunded"


def test_the_oldest_charge_is_dropped_beyond_the_limit() -> None:
    ledger = Ledger(limit=2)
    first = ledger.charge("1", "1.00", "EUR", "tok_ok")
    for key in ("2", "3"):
        ledger.charge(key, "1.00", "EUR", "tok_ok")
    assert len(ledger) == 2
    with pytest.raises(Refusal) as refusal:
        ledger.refund(first.id)
    assert refusal.value.code == "unknown_charge"


WRONG_MEMBERS: list[Any] = [None, "", 7, 19.9, "x" * 300, "a\nb", {}]


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b'"k"', b"{", b"\xff", b"[" * 10_000]
    + [json.dumps({**CHARGE, name: wrong}).encode() for name in CHARGE for wrong in WRONG_MEMBERS],
)
def test_a_malformed_charge_is_refused(simulator: Simulator, raw: bytes) -> None:
    answer = requests.post(f"{url_of(simulator)}/v1/charges", data=raw, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert len(simulator.ledger) == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/v1/refunds", 404), ("PUT", "/v1/charges", 405), ("DELETE", "/v1/charges", 405)],
)
def test_an_unknown_url_is_refused(simulator: Simulator, method: str, path: str, status: int) -> None:
    assert requests.request(method, url_of(simulator) + path, timeout=5).status_code == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / x HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_malformed_http_is_refused(simulator: Simulator, head: bytes, status: int) -> None:
    with socket.create_connection(address_of(simulator), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(1000).split(b"\r\n")[0].split(b" ")[1] == str(status).encode()
    assert requests.get(f"{url_of(simulator)}/healthz", timeout=5).json()["status"] == "ok"


class TestBehaviour:
    """The admin interface."""

    def test_a_new_behaviour_takes_effect(self, simulator: Simulator) -> None:
        url = f"{url_of(simulator)}/admin/behaviour"
        wanted = {"error_ratio": 0.25, "latency_ms": {"median": 5.0, "p99": 9.0}, "extra_latency_ms": 1.0}
        assert requests.put(url, json=wanted, timeout=5).json() == wanted
        assert requests.get(url, timeout=5).json() == wanted

    def test_omitted_members_take_their_defaults(self, simulator: Simulator) -> None:
        answer = requests.put(f"{url_of(simulator)}/admin/behaviour", json={"error_ratio": 0.3}, timeout=5)
        assert answer.json() == {
            "error_ratio": 0.3,
            "latency_ms": {"median": 80.0, "p99": 600.0},
            "extra_latency_ms": 0.0,
        }

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"error_ratio": 1.1}, "error_ratio"),
            ({"error_ratio": -0.1}, "error_ratio"),
            ({"error_ratio": "0.5"}, "error_ratio"),
            ({"error_ratio": True}, "error_ratio"),
            ({"error_ratio": None}, "error_ratio"),
            ({"error_ratio": float("nan")}, "error_ratio"),
            ({"latency_ms": 5}, "latency_ms"),
            ({"latency_ms": {"median": 10, "p99": 5}}, "p99"),
            ({"latency_ms": {"p95": 5}}, "p95"),
            ({"extra_latency_ms": 1e9}, "extra_latency_ms"),
            ({"extra_latency_ms": float("inf")}, "extra_latency_ms"),
            ({"speed": 1}, "speed"),
            ([], "the body"),
        ],
    )
    def test_an_invalid_behaviour_is_named_and_changes_nothing(
        self, simulator: Simulator, wrong: Any, named: str
    ) -> None:
        before = simulator.control.behaviour
        answer = requests.put(f"{url_of(simulator)}/admin/behaviour", data=json.dumps(wrong), timeout=5)
        assert answer.status_code == 400
        assert named in answer.json()["detail"]
        assert simulator.control.behaviour == before

    def test_latency_is_log_normal_with_the_configured_median_and_p99(self) -> None:
        chance = Random(7)
        drawn = sorted(Behaviour().draw_latency(chance) * 1000 for _ in range(20_000))
        assert statistics.median(drawn) == pytest.approx(80, rel=0.05)
        assert drawn[int(len(drawn) * 0.99)] == pytest.approx(600, rel=0.1)

    def test_an_error_ratio_applies_before_and_after_the_work(self, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(error_ratio=0.3, median_ms=0, p99_ms=0)
        answers = [post(simulator, "/v1/charges", {**CHARGE, "idempotency_key": f"k{number}"}) for number in range(300)]
        errors = sum(answer.status_code == 500 for answer in answers)
        assert 60 <= errors <= 120, f"expected about 90 errors of 300, got {errors}"
        charged_though_error = len(simulator.ledger) - sum(answer.status_code == 201 for answer in answers)
        assert 20 <= charged_though_error <= errors - 20

    def test_extra_latency_is_added(self, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(median_ms=0, p99_ms=0, extra_latency_ms=300)
        started = time.monotonic()
        post(simulator, "/v1/charges", CHARGE)
        assert 0.3 <= time.monotonic() - started < 1.0

    def test_health_and_admin_are_not_slowed(self, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(error_ratio=1, extra_latency_ms=30_000)
        started = time.monotonic()
        assert requests.get(f"{url_of(simulator)}/healthz", timeout=5).status_code == 200
        assert time.monotonic() - started < 1.0

    def test_the_admin_interface_answers_while_charges_hang(self, simulator: Simulator) -> None:
        simulator.control.behaviour = Behaviour(extra_latency_ms=30_000)
        hanging = [http.client.HTTPConnection(*address_of(simulator), timeout=5) for _ in range(20)]
        for number, connection in enumerate(hanging):
            connection.request("POST", "/v1/charges", json.dumps({**CHARGE, "idempotency_key": f"k{number}"}))
        health = f"{url_of(simulator)}/healthz"
        eventually(lambda: requests.get(health, timeout=5).json()["in_flight"] == 20, "the charges to be in flight")
        assert requests.put(f"{url_of(simulator)}/admin/behaviour", json={}, timeout=5).status_code == 200
        assert simulator.control.behaviour == Behaviour()
        for connection in hanging:
            connection.close()


def test_connections_beyond_the_limit_are_refused_and_the_others_are_served(simulator: Simulator) -> None:
    idle = [socket.create_connection(address_of(simulator), timeout=5) for _ in range(MAX_CONNECTIONS)]
    try:
        with socket.create_connection(address_of(simulator), timeout=5) as one_too_many:
            assert one_too_many.recv(100).startswith(b"HTTP/1.1 503")
        idle[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for connection in idle:
            connection.close()


class TestProcess:
    """`python -m card_provider`."""

    @pytest.fixture
    def process(self) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """The process and its port."""
        process = subprocess.Popen(
            [sys.executable, "-m", "card_provider"],
            cwd=SERVICE_FOLDER,
            env={**os.environ, "HTTP_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rsplit(":", 1)[1])
        process.kill()
        process.communicate()

    def test_it_listens_on_the_configured_address(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "card_provider"],
            cwd=SERVICE_FOLDER,
            env={**os.environ, "HTTP_HOST": "127.0.0.2", "HTTP_PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert "on 127.0.0.2:" in said
            port = int(said.rsplit(":", 1)[1])
            assert requests.get(f"http://127.0.0.2:{port}/healthz", timeout=5).ok
            with pytest.raises(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
        finally:
            process.kill()
            process.communicate()

    def test_it_handles_50_requests_per_second(self, process: tuple[subprocess.Popen[str], int]) -> None:
        _, port = process
        requests.put(f"http://127.0.0.1:{port}/admin/behaviour", json={}, timeout=5)
        statuses: list[int] = []

        def caller(number: int) -> None:
            session = requests.Session()
            for turn in range(10):
                data = {**CHARGE, "idempotency_key": f"{number}-{turn}"}
                statuses.append(session.post(f"http://127.0.0.1:{port}/v1/charges", json=data, timeout=10).status_code)

        callers = [threading.Thread(target=caller, args=(number,)) for number in range(16)]
        started = time.monotonic()
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        rate = len(statuses) / (time.monotonic() - started)
        assert statuses == [201] * 160
        assert rate >= 50, f"expected 50 requests a second with 16 callers, got {rate:.0f}"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_stop_finishes_the_request_in_flight(
        self, process: tuple[subprocess.Popen[str], int], number: int
    ) -> None:
        running, port = process
        slow = {"latency_ms": {"median": 0, "p99": 0}, "extra_latency_ms": 700}
        requests.put(f"http://127.0.0.1:{port}/admin/behaviour", json=slow, timeout=5)
        idle = socket.create_connection(("127.0.0.1", port), timeout=5)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/v1/charges", json.dumps(CHARGE))
        health = f"http://127.0.0.1:{port}/healthz"
        eventually(
            lambda: requests.get(health, timeout=5).json()["in_flight"],
            "the charge to be in flight",
            accept=lambda actual: actual == 1,
        )
        running.send_signal(number)
        assert connection.getresponse().status == 201
        assert running.wait(timeout=5) == 0
        eventually(lambda: _refused(port), "the port to be closed")
        idle.close()

    @pytest.mark.parametrize("port", ["", "http", "70000", "-1", "8 006"])
    def test_an_invalid_port_stops_the_start(self, port: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "card_provider"],
            cwd=SERVICE_FOLDER,
            env={**os.environ, "HTTP_PORT": port},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert ended.returncode == 1
        assert "HTTP_PORT: allowed is a port from 0 to 65535" in ended.stderr

    def test_a_port_in_use_is_named(self, simulator: Simulator) -> None:
        port = str(simulator.server_address[1])
        ended = subprocess.run(
            [sys.executable, "-m", "card_provider"],
            cwd=SERVICE_FOLDER,
            env={**os.environ, "HTTP_PORT": port},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert ended.returncode == 1
        assert f"HTTP_PORT={port}: can't listen" in ended.stderr


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str)
def test_a_web_page_changes_nothing(simulator: Simulator, headers: dict[str, str]) -> None:
    behaviour = requests.put(
        f"{url_of(simulator)}/admin/behaviour", json={"error_ratio": 1}, headers=headers, timeout=5
    )
    charge = requests.post(f"{url_of(simulator)}/v1/charges", json=CHARGE, headers=headers, timeout=5)
    assert (behaviour.status_code, charge.status_code, len(simulator.ledger)) == (403, 403, 0)
    assert requests.get(f"{url_of(simulator)}/admin/behaviour", timeout=5).json()["error_ratio"] == 0
