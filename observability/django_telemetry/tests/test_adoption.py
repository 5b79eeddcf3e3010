"""A new project installs the library with three lines and has all four signals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_testing.polling import eventually

from .harness import HttpBackend, free_port, respond, spans_sent
from .project import Project

SOURCE = Path(__file__).resolve().parent.parent / "src"


@pytest.fixture(scope="module")
def collector() -> Iterator[HttpBackend]:
    server = HttpBackend(respond(200))
    yield server
    server.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, collector: HttpBackend) -> Project:
    # test_installation.py does the same with the package installed into a new environment, which takes a minute.
    return Project(tmp_path_factory.mktemp("project"), collector, environ={"PYTHONPATH": str(SOURCE)})


def test_a_new_project_has_all_four_signals(project: Project) -> None:
    project.check_all_four_signals("sqlite", "manage.py", "runserver", "--noreload", "127.0.0.1:{port}")


def test_a_new_project_has_all_four_signals_under_asgi(project: Project, collector: HttpBackend) -> None:
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
    done = project.run("-c", program)
    assert "200" in done.stdout.splitlines(), done.stdout + done.stderr[-3000:]
    eventually(
        lambda: {span.name for span in spans_sent(collector)},
        "a span of GET later/",
        accept=lambda actual: "GET later/" in actual,
    )
    assert '"message":"GET later/ 200"' in done.stdout


def test_the_check_command_reports_the_enabled_signals_and_their_delivery(project: Project) -> None:
    done = project.manage("telemetry", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("service      shop", "ok   traces", "ok   metrics", "ok   logs", "ok   errors"):
        assert line in done.stdout, done.stdout


def test_the_check_command_fails_and_names_what_is_not_delivered(project: Project) -> None:
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


def test_a_wrong_setting_stops_the_start(project: Project) -> None:
    project.environ["TELEMETRY_HTTPS"] = "1"
    try:
        done = project.manage("check")
    finally:
        del project.environ["TELEMETRY_HTTPS"]
    assert done.returncode != 0
    assert "TELEMETRY_HTTPS: no such setting; TELEMETRY_HTTP is the nearest" in done.stderr


def test_loggers_of_the_project_apply_with_the_logs_signal_off(project: Project) -> None:
    project.environ["TELEMETRY_SIGNALS"] = "traces"
    program = (
        "import logging\n"
        "import django\n"
        "from django.conf import settings\n"
        "settings.LOGGING = {'loggers': {'shop': {'level': 'ERROR'}}}\n"
        "django.setup()\n"
        "print(logging.getLevelName(logging.getLogger('shop').level))\n"
    )
    try:
        done = project.run("-c", program)
    finally:
        del project.environ["TELEMETRY_SIGNALS"]
    assert done.stdout == "ERROR\n", done.stderr


def test_the_system_checks_pass_with_the_three_lines(project: Project) -> None:
    done = project.manage("check", "--tag", "telemetry", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_a_second_setup_keeps_the_handlers_and_runserver_reports_a_failure_once(project: Project) -> None:
    program = (
        "import logging\n"
        "import django\n"
        "django.setup()\n"
        "django.setup()\n"
        "loggers = [logging.getLogger(name) for name in ('django', 'django.server')]\n"
        "print([logger.handlers for logger in loggers])\n"
        "print([type(handler).__name__ for handler in logging.getLogger().handlers])\n"
        "print(logging.getLogger('django.server').isEnabledFor(logging.ERROR))\n"
    )
    done = project.run("-c", program)
    assert done.stdout.splitlines()[:3] == ["[[], []]", "['StdoutHandler']", "False"], done.stderr
