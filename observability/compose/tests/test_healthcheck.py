"""The health check that runs in the containers, against a server that answers, refuses or hangs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import stack

SCRIPT = str(stack.ROOT / "observability" / "compose" / "healthcheck")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/hangs":
            time.sleep(6)
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def check(port: int, path: str) -> int:
    return subprocess.run(["bash", SCRIPT, str(port), path], capture_output=True, timeout=10, check=False).returncode


def test_200_is_healthy(port: int) -> None:
    assert check(port, "/good") == 0


def test_503_is_not(port: int) -> None:
    assert check(port, "/bad") != 0


def test_no_answer_within_three_seconds_is_not(port: int) -> None:
    began = time.monotonic()
    assert check(port, "/hangs") != 0
    assert time.monotonic() - began < 5


def test_nobody_listening_is_not() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    free = server.server_address[1]
    server.server_close()
    assert check(free, "/good") != 0
