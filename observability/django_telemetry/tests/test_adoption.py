"""A new project takes the library on with three lines, and has all four signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .harness import HttpBackend, eventually, free_port, respond

SOURCE = Path(__file__).resolve().parent.parent / "src"

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


class _Project:
    """A project made by startproject, with its own environment and backends."""

    def __init__(self, folder: Path, backend: HttpBackend) -> None:
        self.folder = folder
        self.metrics_port = free_port()
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("TELEMETRY_", "OTEL_", "SENTRY_", "DJANGO_"))
        }
        self.environ = {
            **clean,
            "PYTHONPATH": str(SOURCE),
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "SENTRY_DSN": f"http://key@127.0.0.1:{backend.port}/7",
            "TELEMETRY_METRICS_PORT": str(self.metrics_port),
            "DJANGO_SETTINGS_MODULE": "shop.settings",
        }
        self._run(sys.executable, "-m", "django", "startproject", "shop", ".")
        settings = folder / "shop" / "settings.py"
        settings.write_text(settings.read_text() + THREE_LINES)
        (folder / "shop" / "urls.py").write_text(VIEWS)
        self.manage("migrate", "--verbosity", "0")

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "manage.py", *arguments)


@pytest.fixture(scope="module")
def collector() -> Iterator[HttpBackend]:
    server = HttpBackend(respond(200))
    yield server
    server.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, collector: HttpBackend) -> _Project:
    return _Project(tmp_path_factory.mktemp("project"), collector)


def _spans(collector: HttpBackend) -> list[Any]:
    spans = []
    for _, path, _, body in list(collector.requests):
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            spans += [span for r in request.resource_spans for scope in r.scope_spans for span in scope.spans]
    return spans


def _errors(collector: HttpBackend) -> list[dict[str, Any]]:
    found = []
    for _, path, _, body in list(collector.requests):
        if path == "/api/7/envelope/":
            found += [
                json.loads(line) for line in body.splitlines() if line.startswith(b"{") and b'"exception"' in line
            ]
    return found


def _get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_new_project_has_all_four_signals(project: _Project, collector: HttpBackend) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
        cwd=project.folder,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as server:
        try:

            def up() -> bool:
                with contextlib.suppress(OSError):
                    return _get(f"http://127.0.0.1:{port}/users/")[0] == 200
                return False

            eventually(up, 30, "the server answers")
            status, headers, _ = _get(f"http://127.0.0.1:{port}/broken/")
            assert status == 500
            _, trace_id, _, _ = headers["traceresponse"].split("-")
            names = eventually(lambda: {"GET broken/", "GET users/"} <= {s.name for s in _spans(collector)} and True)
            assert names
            statement = next(span for span in _spans(collector) if span.name == "SELECT auth_user")
            assert {a.key: a.value.string_value for a in statement.attributes}["db.system.name"] == "sqlite"
            report = eventually(
                lambda: [e for e in _errors(collector) if e["contexts"]["trace"]["trace_id"] == trace_id]
            )
            assert report[0]["exception"]["values"][0]["value"] == "broken on purpose"
            metrics = _get(f"http://127.0.0.1:{project.metrics_port}/metrics")[2].decode()
            assert 'django_http_responses_total_by_status_total{status="500"} 1.0' in metrics
            assert 'service_build_info{service="shop"' in metrics
        finally:
            os.killpg(server.pid, signal.SIGINT)
            output, _ = server.communicate(timeout=20)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
    access = next(line for line in lines if line["message"] == "GET broken/ 500")
    assert access["trace.id"] == trace_id
    assert access["service.name"] == "shop"


def test_a_new_project_has_them_under_asgi_too(project: _Project, collector: HttpBackend) -> None:
    program = (
        "import asyncio\n"
        "from asgiref.testing import ApplicationCommunicator\n"
        "from shop.asgi import application\n"
        "async def get(path):\n"
        "    scope = {'type': 'http', 'method': 'GET', 'path': path, 'query_string': b'', 'http_version': '1.1',\n"
        "             'headers': [(b'host', b'localhost')], 'scheme': 'http', 'server': ('localhost', 80)}\n"
        "    talk = ApplicationCommunicator(application, scope)\n"
        "    await talk.send_input({'type': 'http.request', 'body': b''})\n"
        "    start = await talk.receive_output(10)\n"
        "    print(start['status'])\n"
        "    await talk.receive_output(10)\n"
        "asyncio.run(get('/later/'))\n"
    )
    environ = {**project.environ, "TELEMETRY_METRICS_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("200"), done.stderr[-3000:]
    eventually(lambda: "GET later/" in {span.name for span in _spans(collector)})
    assert '"message":"GET later/ 200"' in done.stdout


def test_the_check_command_says_what_is_on_and_that_it_arrives(project: _Project) -> None:
    done = project.manage("telemetry", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("service      shop", "ok   traces", "ok   metrics", "ok   logs", "ok   errors"):
        assert line in done.stdout, done.stdout


def test_the_check_command_fails_and_names_what_does_not_arrive(project: _Project) -> None:
    project.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], before = (
        f"http://127.0.0.1:{free_port()}",
        project.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    )
    try:
        done = project.manage("telemetry", "check")
    finally:
        project.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = before
    assert done.returncode == 1
    assert "FAIL traces" in done.stdout
    assert "not delivered: traces" in done.stderr


def test_a_wrong_setting_stops_the_start(project: _Project) -> None:
    project.environ["TELEMETRY_HTTPS"] = "1"
    try:
        done = project.manage("check")
    finally:
        del project.environ["TELEMETRY_HTTPS"]
    assert done.returncode != 0
    assert "TELEMETRY_HTTPS: no such setting; TELEMETRY_HTTP is the nearest" in done.stderr


def test_the_system_checks_are_content_with_the_three_lines(project: _Project) -> None:
    done = project.manage("check", "--tag", "telemetry", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
