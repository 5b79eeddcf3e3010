"""Under gunicorn: with the app loaded before the fork, and with requests that gunicorn itself logs errors about."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from platform_testing.polling import eventually

from .harness import HttpBackend, clean_environ, free_port, spans_sent

ROOT = Path(__file__).resolve().parent.parent
PLAIN = "hunter2planted"


class _Gunicorn:
    """A gunicorn with one worker and four threads that sends its telemetry to ``backend``."""

    def __init__(self, folder: Path, backend: HttpBackend, *options: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.output = folder / "output"
        environ = {
            **clean_environ(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "SENTRY_DSN": f"http://key@127.0.0.1:{backend.port}/7",
            "TELEMETRY_METRICS_PORT": str(self.metrics_port),
        }
        bind = f"--bind=127.0.0.1:{self.port}"
        logger = "--logger-class=django_telemetry.gunicorn.Logger"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", bind, "--threads=4", logger, *options, "tests.wsgi:application"],
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def body(self, path: str) -> str:
        """The response body of a request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Host": "testserver"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())

    def get(self, path: str) -> int:
        """The status of a request; 0 when there is no response."""
        try:
            self.body(path)
            return 200
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def served(self) -> float | None:
        """The number of requests served by the process at the metrics port; None when the port is closed."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as response:
                text = response.read().decode()
        except OSError:
            return None
        found = re.search(r"^django_http_requests_before_middlewares_total ([0-9.]+)", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_bytes().splitlines() if line.startswith(b"{")]

    def worker(self) -> int:
        """The process id of the worker."""
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=True)
        return int(found.stdout.split()[0])

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture
def gunicorn(tmp_path: Path, backend: HttpBackend) -> Iterator[Callable[..., _Gunicorn]]:
    running: list[_Gunicorn] = []

    def start(*options: str) -> _Gunicorn:
        running.append(_Gunicorn(tmp_path, backend, *options))
        eventually(
            lambda: running[-1].get("/ok"),
            "gunicorn to answer",
            accept=lambda actual: actual == 200,
            timeout=30,
            look_at=running[-1].output,
        )
        return running[-1]

    yield start
    for each in running:
        each.close()


def test_with_the_app_loaded_before_the_fork_all_signals_come_from_the_worker(
    gunicorn: Callable[..., _Gunicorn], backend: HttpBackend
) -> None:
    server = gunicorn("--preload")
    assert server.get("/boom") == 500
    eventually(
        server.served,
        "the metrics port to be the worker's, which has served two requests",
        accept=lambda actual: actual == 2,
    )
    eventually(
        lambda: {span.name for span in spans_sent(backend)},
        "spans of both requests",
        accept=lambda actual: {"GET ok", "GET boom"} <= actual,
    )
    eventually(
        lambda: any(path == "/api/7/envelope/" for _, path, _, _ in backend.requests), "the report of the exception"
    )
    eventually(
        lambda: {line["message"] for line in server.lines()},
        "access lines of both requests",
        accept=lambda actual: {"GET ok 200", "GET boom 500"} <= actual,
    )

    os.kill(server.worker(), signal.SIGKILL)
    eventually(server.served, "the next worker to have the metrics port", accept=lambda actual: actual == 0)
    eventually(lambda: server.get("/ok"), "the next worker to answer", accept=lambda actual: actual == 200)
    eventually(server.served, "the next worker to have served one request", accept=lambda actual: actual == 1)


def test_a_worker_with_the_freeze_hook_excludes_loaded_objects_from_garbage_collection(
    gunicorn: Callable[..., _Gunicorn], tmp_path: Path
) -> None:
    # Python 3.12 itself starts with some hundreds, other versions with none.
    count = [sys.executable, "-c", "import gc; print(gc.get_freeze_count(), end='')"]
    of_python = subprocess.run(count, capture_output=True, text=True, check=True).stdout
    assert gunicorn().body("/frozen") == of_python
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("from django_telemetry.gunicorn import freeze as post_worker_init\n")
    loaded = int(gunicorn(f"--config={config}").body("/frozen"))
    assert loaded > 10_000, f"Django and the library have more objects than {loaded}"


def test_messages_of_gunicorn_about_a_request_do_not_quote_it(gunicorn: Callable[..., _Gunicorn]) -> None:
    server = gunicorn()
    for malformed in (
        f"GET /?{PLAIN} {PLAIN}\r\n\r\n",
        f"{PLAIN.upper()}! / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: testserver\r\n{PLAIN}[]: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: testserver\r\nContent-Length: {PLAIN}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: {PLAIN}\r\n\r\n",
        f"GET /broken-stream?who={PLAIN} HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(malformed.encode())
            connection.recv(65536)
    eventually(
        lambda: [line["message"] for line in server.lines()],
        "gunicorn's line about the failed request",
        accept=lambda actual: "Error handling request" in actual,
    )
    said = [line for line in server.lines() if line["log.logger"] == "gunicorn.error"]
    assert [line["message"] for line in said].count("Invalid request") >= 4
    assert next(line for line in said if line["message"] == "Error handling request")["error.type"] == "RuntimeError"
    output = server.output.read_text()
    at = output.lower().find(PLAIN)
    assert at < 0, f"…{output[max(0, at - 300) : at + 80]}…"
