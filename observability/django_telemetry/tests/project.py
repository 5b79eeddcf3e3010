"""A project created by startproject with the library installed, run by a given Python environment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_testing.polling import eventually

from .harness import HttpBackend, clean_environ, free_port, spans_sent

THREE_LINES = """
INSTALLED_APPS += ["django_telemetry"]
MIDDLEWARE.insert(0, "django_telemetry.middleware.TelemetryMiddleware")
LOGGING_CONFIG = "django_telemetry.logs.configure"
"""
VIEWS = """
import asyncio
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path

def users(request):
    return HttpResponse(str(User.objects.count()))

def broken(request):
    raise RuntimeError("broken on purpose")

async def later(request):
    await asyncio.sleep(0)
    return HttpResponse("later")

urlpatterns = [path("users/", users), path("broken/", broken), path("later/", later)]
"""


class Project:
    """A new project with its own environment variables and backends."""

    def __init__(
        self,
        folder: Path,
        backend: HttpBackend,
        python: str = sys.executable,
        settings: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.python = python
        self.backend = backend
        self.metrics_port = free_port()
        self.environ = {
            **clean_environ("DJANGO_", "PYTHON"),
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "SENTRY_DSN": f"http://key@127.0.0.1:{backend.port}/7",
            "TELEMETRY_METRICS_PORT": str(self.metrics_port),
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            **(environ or {}),
        }
        self.run("-m", "django", "startproject", "shop", ".").check_returncode()
        file = folder / "shop" / "settings.py"
        file.write_text(file.read_text() + settings + THREE_LINES)
        (folder / "shop" / "urls.py").write_text(VIEWS)
        migrated = self.manage("migrate", "--verbosity", "0")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *arguments)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[_Server]:
        """Run a server of the project and stop it at the end. ``{port}`` in ``arguments`` is replaced by its port."""
        port = free_port()
        server = _Server(f"http://127.0.0.1:{port}")
        with subprocess.Popen(
            [self.python, *(argument.format(port=port) for argument in arguments)],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell's background jobs ignore SIGINT, and their children inherit this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            try:
                eventually(server.is_up, f"{arguments} to answer", timeout=60)
                yield server
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                try:
                    server.output, _ = process.communicate(timeout=30)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)

    def check_all_four_signals(self, database: str, *arguments: str) -> None:
        """Send a failing request and a query, and check traces, errors, metrics and logs."""
        with self.serving(*arguments) as server:
            status, headers, _ = get(f"{server.url}/broken/")
            assert status == 500
            _, trace_id, _, _ = headers["traceresponse"].split("-")
            eventually(
                lambda: {span.name for span in spans_sent(self.backend)},
                "the spans of all requests and of the query",
                accept=lambda actual: {"GET broken/", "GET users/", "GET later/", "SELECT auth_user"} <= actual,
            )
            statement = next(span for span in reversed(spans_sent(self.backend)) if span.name == "SELECT auth_user")
            assert {a.key: a.value.string_value for a in statement.attributes}["db.system.name"] == database
            (report,) = eventually(
                lambda: [e for e in errors(self.backend) if e["contexts"]["trace"]["trace_id"] == trace_id],
                "the report of the exception of that trace",
            )
            assert report["exception"]["values"][0]["value"] == "broken on purpose"
            metrics = get(f"http://127.0.0.1:{self.metrics_port}/metrics")[2].decode()
            assert 'django_http_responses_total_by_status_total{status="500"} 1.0' in metrics
            assert f'dependency="{database}"' in metrics
            assert 'service_build_info{service="shop"' in metrics
        lines = [json.loads(line) for line in server.output.splitlines() if line.startswith(b"{")]
        access = next(line for line in lines if line["message"] == "GET broken/ 500")
        assert access["trace.id"] == trace_id
        assert access["service.name"] == "shop"


class _Server:
    """A running server; ``output`` is set after it has ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.output = b""

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return get(f"{self.url}/users/")[0] == 200 and get(f"{self.url}/later/")[0] == 200
        return False


def errors(collector: HttpBackend) -> list[dict[str, Any]]:
    found = []
    for _, path, _, body in list(collector.requests):
        if path == "/api/7/envelope/":
            found += [
                json.loads(line) for line in body.splitlines() if line.startswith(b"{") and b'"exception"' in line
            ]
    return found


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
