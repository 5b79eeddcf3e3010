"""The containers' health check, against a server that responds, refuses or hangs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from platform_testing.http import StubServer
from werkzeug import Request, Response

from tests import stack

SCRIPT = str(stack.ROOT / "observability" / "compose" / "healthcheck")


def respond(request: Request) -> Response:
    if request.path == "/hangs":
        time.sleep(6)
    return Response(status=200 if request.path == "/good" else 503)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with StubServer(respond) as server:
        yield server.port


def check(port: int, path: str) -> int:
    return subprocess.run(["bash", SCRIPT, str(port), path], capture_output=True, timeout=10, check=False).returncode


def test_200_is_healthy(port: int) -> None:
    assert check(port, "/good") == 0


def test_503_is_unhealthy(port: int) -> None:
    assert check(port, "/bad") != 0


def test_no_response_within_three_seconds_is_unhealthy(port: int) -> None:
    began = time.monotonic()
    assert check(port, "/hangs") != 0
    assert time.monotonic() - began < 5


def test_a_refused_connection_is_unhealthy() -> None:
    with StubServer() as stopped:
        pass
    assert check(stopped.port, "/good") != 0
