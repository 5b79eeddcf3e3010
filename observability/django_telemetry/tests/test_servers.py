"""Under real ASGI servers: streams that break off or that the client leaves, and the end of the process.

A server that isn't installed is skipped; tox installs all of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from platform_testing.polling import eventually

from .harness import HttpBackend, clean_environ, free_port, spans_sent
from .project import get

ROOT = Path(__file__).resolve().parent.parent
SERVERS = {
    "uvicorn": ("--port={port}", "--no-access-log", "tests.asgi:application"),
    "daphne": ("--port={port}", "tests.asgi:application"),
    "hypercorn": ("--bind=127.0.0.1:{port}", "tests.asgi:application"),
    "gunicorn": ("--bind=127.0.0.1:{port}", "--threads=2", "tests.wsgi:application"),
}


class _Server:
    def __init__(self, name: str, folder: Path, backend: HttpBackend) -> None:
        self.name = name
        self.port = free_port()
        self.output = folder / "output"
        environ = {
            **clean_environ(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "TELEMETRY_SHUTDOWN_TIMEOUT": "10",
        }
        options = [option.format(port=self.port) for option in SERVERS[name]]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", name, *options],
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: self.get("/ok"), f"{name} to answer", timeout=60, accept=lambda status: status == 200)

    def get(self, path: str) -> int:
        """The status of a request; 0 when there is no complete response."""
        try:
            return get(f"http://127.0.0.1:{self.port}{path}")[0]
        except (OSError, ValueError):
            return 0
        except Exception:  # a body that breaks off: http.client.IncompleteRead
            return 0

    def leave(self, path: str) -> None:
        """Send a request, and disconnect after the first part of the response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
            connection.recv(1)

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.output.read_bytes().splitlines() if line.startswith(b"{")]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path, backend: HttpBackend) -> Iterator[_Server]:
    name: str = request.param
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    running = _Server(name, tmp_path, backend)
    yield running
    running.close()


def _named(backend: HttpBackend, name: str) -> Callable[[], int]:
    return lambda: [span.name for span in spans_sent(backend)].count(name)


@pytest.mark.parametrize("path", ["broken-stream", "async-broken-stream"])
def test_a_stream_that_breaks_off_has_a_span_and_an_access_line(
    server: _Server, backend: HttpBackend, path: str
) -> None:
    server.get(f"/{path}")
    eventually(_named(backend, f"GET {path}"), "the span", accept=lambda count: count == 1)
    eventually(server.messages, "the access line", accept=lambda messages: f"GET {path} 200" in messages)
    (access,) = [line for line in server.lines() if line["message"] == f"GET {path} 200"]
    assert access["error.type"] == "RuntimeError"


def test_a_stream_that_the_client_leaves_has_a_span_and_its_cleanup_has_the_ids(
    server: _Server, backend: HttpBackend
) -> None:
    # Django reads a stream of the other kind completely before it sends any of it.
    path = "endless-stream" if server.name == "gunicorn" else "async-endless-stream"
    server.leave(f"/{path}")
    eventually(_named(backend, f"GET {path}"), "the span", accept=lambda count: count == 1)
    eventually(server.messages, "the access line", accept=lambda messages: f"GET {path} 200" in messages)
    lines = {line["message"]: line for line in server.lines()}
    assert lines["stream cleans up"]["request.id"] == lines[f"GET {path} 200"]["request.id"]


def test_sigterm_delivers_everything(server: _Server, backend: HttpBackend) -> None:
    for _ in range(3):
        assert server.get("/async") == 200
    server.process.terminate()
    server.process.wait(30)
    assert _named(backend, "GET async")() == 3
    assert server.messages().count("GET async 200") == 3
