"""Under uWSGI, which forks its workers without Python's hooks and without the GIL.

Skipped where uwsgi isn't installed: it is compiled at installation. tox installs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platform_testing.polling import eventually

from .harness import HttpBackend, clean_environ, free_port, spans_sent
from .project import get

ROOT = Path(__file__).resolve().parent.parent
UWSGI = os.environ.get("TEST_UWSGI") or shutil.which("uwsgi", path=f"{Path(sys.executable).parent}:{os.defpath}")
REQUESTS = 8

pytestmark = pytest.mark.skipif(UWSGI is None, reason="uwsgi is not installed, and TEST_UWSGI doesn't name it")

# How the application is loaded, and how processes are forked.
MODES = {
    "default": ("--master", "--processes=2", "--threads=2"),
    "lazy": ("--master", "--processes=2", "--threads=2", "--lazy-apps"),
    "fork-hooks": ("--master", "--processes=2", "--threads=2", "--py-call-uwsgi-fork-hooks"),
    "single-thread": ("--master", "--processes=2", "--enable-threads"),
    "without-master": ("--processes=2", "--enable-threads"),
    "one-process": ("--enable-threads",),
}


class _Uwsgi:
    def __init__(self, folder: Path, backend: HttpBackend, *options: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.output = folder / "output"
        environ = {
            **clean_environ("UWSGI_"),
            # uWSGI has its own interpreter, without this environment's packages.
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "SENTRY_DSN": f"http://key@127.0.0.1:{backend.port}/7",
            "TELEMETRY_METRICS_PORT": str(self.metrics_port),
        }
        bind = f"--http-socket=127.0.0.1:{self.port}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(UWSGI), bind, "--module=tests.wsgi", "--die-on-term", "--need-app", *options],
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(self, path: str) -> int:
        """The status of a request; 0 when there is no response."""
        try:
            return get(f"http://127.0.0.1:{self.port}{path}")[0]
        except OSError:
            return 0

    def messages(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.output.read_bytes().splitlines() if line.startswith(b"{")]

    def served(self) -> float:
        """The number of requests served by the process at the metrics port."""
        text = get(f"http://127.0.0.1:{self.metrics_port}/metrics")[2].decode()
        name = "django_http_requests_before_middlewares_total "
        return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # without a master its workers outlive it
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def uwsgi(tmp_path: Path, backend: HttpBackend) -> Iterator[Callable[..., _Uwsgi]]:
    running: list[_Uwsgi] = []

    def start(*options: str) -> _Uwsgi:
        server = _Uwsgi(tmp_path, backend, *options)
        running.append(server)
        eventually(lambda: server.get("/ok"), "uWSGI to answer", timeout=60, accept=lambda status: status == 200)
        return server

    yield start
    for each in running:
        each.close()


@pytest.mark.parametrize("mode", MODES)
def test_all_four_signals_come_from_the_workers(uwsgi: Callable[..., _Uwsgi], backend: HttpBackend, mode: str) -> None:
    server = uwsgi(*MODES[mode])
    assert [server.get("/ok") for _ in range(REQUESTS)] == [200] * REQUESTS
    assert server.get("/boom") == 500
    assert eventually(server.served, "a worker to have the metrics port, and to have served a request") > 0
    # All of it arrives before the process ends: the threads of the workers run.
    eventually(
        lambda: [span.name for span in spans_sent(backend)],
        "the spans",
        accept=lambda names: names.count("GET ok") == REQUESTS + 1 and names.count("GET boom") == 1,
    )
    eventually(
        server.messages,
        "the access lines",
        accept=lambda lines: lines.count("GET ok 200") == REQUESTS + 1 and lines.count("GET boom 500") == 1,
    )
    eventually(
        lambda: [body for _, path, _, body in backend.requests if path == "/api/7/envelope/" and b"boom for" in body],
        "the error report",
    )
    ids = [span.trace_id for span in spans_sent(backend)]
    assert len(set(ids)) == len(ids), "two workers created the same id"
    server.stop()
    assert server.messages().count("GET ok 200") == REQUESTS + 1


def test_what_the_master_logs_is_written_and_stays_out_of_the_workers(uwsgi: Callable[..., _Uwsgi]) -> None:
    server = uwsgi(*MODES["default"], "--env=TEST_LOG_AT_LOADING=loaded")
    server.stop()
    assert server.messages().count("loaded") == 1
