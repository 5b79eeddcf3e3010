"""Requests that gunicorn rejects are answered with a problem, and slow clients don't occupy the threads."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from platform_testing.polling import eventually

ROOT = Path(__file__).parents[1]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    port = _free_port()
    environment = {**os.environ, "PORT": str(port), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "gunicorn", "-c", "tests/gunicorn_conf.py", "tests.wsgi"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        eventually(lambda: _connects(port), f"gunicorn on port {port}", timeout=30, retry_on=OSError)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _connects(port: int) -> bool:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
        return True


def _exchange(address: tuple[str, int], request: bytes, *, half_close: bool = False) -> tuple[int, str, dict[str, str]]:
    """Send bytes, and read until the server closes: status, Content-Type, JSON body."""
    with closing(socket.create_connection(address, timeout=20)) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers["content-type"], json.loads(body)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /things HTTP/1.1\r\nHost: testserver\r\nContent-Length: abc\r\n\r\n", 400),
        (b"POST /things HTTP/1.1\r\nHost: testserver\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /things HTTP/1.1\r\nHost: testserver\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /things HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: testserver\r\nHost: testserver\r\n\r\n", 400),
        (b"total garbage\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: testserver\r\n\r\n", 414),
        (b"GET /livez HTTP/1.1\r\nHost: testserver\r\nX-Long: " + b"x" * 20000 + b"\r\n\r\n", 431),
    ],
    ids=[
        "length in letters",
        "negative length",
        "two lengths",
        "unknown transfer encoding",
        "no host",
        "two hosts",
        "not HTTP",
        "endless line",
        "endless header",
    ],
)
def test_malformed_http_is_a_problem_with_ids(address: tuple[str, int], request_bytes: bytes, status: int) -> None:
    actual, content_type, problem = _exchange(address, request_bytes)
    assert (actual, content_type) == (status, "application/problem+json"), problem
    assert len(problem["trace_id"]) == 32, problem
    assert problem["request_id"], problem
    assert problem["code"] != "internal_error", "the client's fault"
    assert "went wrong here" not in problem["detail"]


def test_a_truncated_body_is_not_accepted_as_complete(address: tuple[str, int]) -> None:
    head = b"POST /open HTTP/1.1\r\nHost: testserver\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
    request = head + b'Connection: close\r\n\r\n{"name": "a", "count": 1}'
    status, _, problem = _exchange(address, request, half_close=True)
    assert (status, problem["code"]) == (400, "parse_error"), problem


def test_clients_that_stall_during_a_request_do_not_occupy_the_threads(address: tuple[str, int]) -> None:
    begun = (
        b"POST /things HTTP/1.1\r\nHost: testserver\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    stalled = [socket.create_connection(address, timeout=20) for _ in range(8)]
    try:
        for connection in stalled:
            connection.sendall(begun)
        status, _, body = _exchange(address, b"GET /livez HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n")
    finally:
        for connection in stalled:
            connection.close()
    assert (status, body) == (200, {"status": "alive"})
