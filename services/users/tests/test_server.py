"""The service under gunicorn, as in production: malformed HTTP, slow clients, shutdown during a request."""

from __future__ import annotations

import json
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

import pytest
import requests
from accounts.models import User
from django.conf import settings
from django.db import connection, transaction
from platform_testing.polling import eventually

SERVICE = Path(__file__).parents[1]
# Distinguishes the server's database sessions from those of the tests.
SESSION = "server-under-test"

pytestmark = pytest.mark.django_db(transaction=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Any]:
    """gunicorn in a separate process, on this test's database. Has .port, .url and .log."""
    port, log = free_port(), tmp_path / "log"
    name = settings.DATABASES["default"]["NAME"]
    database = (
        urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}", query=f"application_name={SESSION}").geturl()
    )
    environment = {**os.environ, "HTTP_PORT": str(port), "DATABASE_URL": database}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    with log.open("wb") as output:
        process: Any = subprocess.Popen(
            command, env=environment, cwd=SERVICE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    process.port, process.url, process.log = port, f"http://127.0.0.1:{port}", log

    def answers() -> bool:
        assert process.poll() is None, f"gunicorn ended: {log.read_text()[-2000:]}"
        return requests.get(f"{process.url}/readyz", timeout=5).ok

    try:
        eventually(answers, "gunicorn to be ready", timeout=60, retry_on=requests.RequestException, look_at=log)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        # PostgreSQL closes the sessions a moment later; until then the test database can't be emptied or dropped.
        eventually(sessions, "the killed server's database sessions to end", accept=lambda actual: actual == 0)


def sessions(condition: str = "true") -> int:
    """Count the server's database sessions that meet a condition on pg_stat_activity."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            f" WHERE datname = current_database() AND application_name = '{SESSION}' AND {condition}"
        )
        return int(cursor.fetchone()[0])


def send(port: int, request: bytes) -> tuple[int, dict[str, Any]]:
    """Send raw bytes; return the status and the JSON body of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while block := client.recv(65536):
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer[:500]
    return int(head.split()[1]), json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


HEAD = b"POST /api/v1/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
MALFORMED = {
    "a bad host": (b"GET /livez HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n", 400),
    "a length that is no number": (HEAD + b"Content-Length: x\r\n\r\n", 400),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a length and chunks": (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a huge length": (HEAD + b"Content-Length: 99999999999\r\n\r\n", 413),
    "a body over the limit": (HEAD + b"Content-Length: 70000\r\n\r\n" + b"x" * 70000, 413),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n0\r\n\r\n", 411),
    "a body that ends early": (HEAD + b'Content-Length: 50\r\n\r\n{"email"', 400),
    "a request line that is none": (b"\x16\x03\x01\r\n\r\n", 400),
    "an endless address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "an endless header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431),
}


def test_malformed_http_is_answered_with_a_4xx_problem(server: Any) -> None:
    for what, (request, status) in MALFORMED.items():
        actual, problem = send(server.port, request)
        assert actual == status == problem["status"], f"{what}: expected {status}, got {actual} {problem}"
        assert problem["trace_id"], what
        assert problem["request_id"], what
    assert requests.get(f"{server.url}/livez", timeout=30).ok


def test_clients_that_stall_during_a_request_do_not_block_other_clients(server: Any) -> None:
    """Uses more stalled clients than gunicorn has threads."""
    stalled = []
    try:
        for _ in range(12):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            client.sendall(b"POST /api/v1/token HTTP/1.1\r\nHost: loc")
            stalled.append(client)
        assert requests.get(f"{server.url}/readyz", timeout=30).ok
    finally:
        for client in stalled:
            client.close()


def test_on_sigterm_a_request_in_flight_is_answered_and_the_process_exits_cleanly(server: Any) -> None:
    body = {"email": "late@example.com", "password": "a long and rare passphrase", "name": "Late"}

    with ThreadPoolExecutor(1) as pool:
        try:
            with transaction.atomic():
                # The same address in an uncommitted transaction: the request has to wait for its outcome.
                User.objects.create(email=body["email"], name="First")
                in_flight = pool.submit(requests.post, f"{server.url}/api/v1/users", json=body, timeout=30)
                eventually(lambda: sessions("wait_event_type = 'Lock'"), "the request to wait for the address")
                server.send_signal(signal.SIGTERM)
                eventually(
                    lambda: server.log.read_text(),
                    "gunicorn to begin its stop",
                    accept=lambda actual: "Handling signal: term" in actual,
                )
                raise InterruptedError  # roll back, so that the request can continue
        except InterruptedError:
            pass
        assert in_flight.result(timeout=20).status_code == 201
    assert server.wait(timeout=20) == 0
    assert User.objects.get().name == "Late"
