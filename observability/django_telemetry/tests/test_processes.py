"""Whole processes: exit in time, a stdout without a reader, forks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness import HttpBackend, clean_environ, free_port, spans_sent

ROOT = Path(__file__).resolve().parent.parent


class _Program:
    """tests/program.py in its own process, with a pipe for its reports."""

    def __init__(self, name: str, stdout: Any = subprocess.DEVNULL, **environ: str) -> None:
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.program", *name.split()],
            cwd=ROOT,
            env={**clean_environ(), "REPORT_FD": str(writer), **environ},
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        self._reports = os.fdopen(reader)

    def report(self) -> dict[str, Any]:
        """The next report. Fails with the program's stderr when it ended without one."""
        line = self._reports.readline()
        if not line:
            _, error = self.process.communicate(timeout=10)
            raise AssertionError(f"the program reported nothing; its stderr: {error.decode()[-3000:]}")
        return json.loads(line)

    def left_after(self, start: float) -> float:
        """Seconds from ``start`` to the end of the process."""
        self.process.wait(30)
        took = time.time() - start
        assert self.process.returncode == 0, f"exit status {self.process.returncode}"
        return took

    def close(self) -> None:
        # The whole process group: a hanging child must not outlive the test.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ValueError):  # its pipes have been read and closed
            self.process.communicate()
        self._reports.close()


@pytest.fixture
def program() -> Iterator[Any]:
    running: list[_Program] = []

    def start(name: str, **options: Any) -> _Program:
        running.append(_Program(name, **options))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def hanging() -> Iterator[str]:
    """A backend that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


# Seconds that the library may add to the exit of a process, whatever the state of its backends.
LIMIT = 2.0


@pytest.fixture
def plain_end(program: Any) -> float:
    """Seconds that the same program takes to exit without the library, measured on this machine."""
    started = program("fail_and_exit", TELEMETRY_SIGNALS="none")
    return float(started.left_after(started.report()["at"]))


@pytest.mark.parametrize("away", ["refuses", "hangs"])
def test_a_process_exits_within_two_seconds_with_every_backend_down(
    program: Any, hanging: str, plain_end: float, away: str
) -> None:
    url = hanging if away == "hangs" else f"http://127.0.0.1:{free_port()}"
    started = program(
        "fail_and_exit",
        stdout=subprocess.PIPE,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        SENTRY_DSN=url.replace("http://", "http://key@") + "/1",
        SENTRY_SPOTLIGHT=f"{url}/stream",
    )
    took = started.left_after(started.report()["at"]) - plain_end
    assert took < LIMIT, f"leaving took {took:.2f} s more than without telemetry"


@pytest.mark.parametrize("server", ["block", "block_under_asgi"])
def test_a_process_exits_in_time_with_a_stdout_without_a_reader(
    program: Any, hanging: str, plain_end: float, server: str
) -> None:
    started = program(server, stdout=subprocess.PIPE, OTEL_EXPORTER_OTLP_ENDPOINT=hanging)
    report = started.report()
    # A request that waited for the full stdout would wait for ever; a busy machine takes a second now and then.
    assert report["slowest"] < 5, f"a request took {report['slowest']:.3f} s while stdout was full"
    logs = report["counts"]["logs"]
    assert logs["made"] == 3000
    assert logs["made"] == logs["delivered"] + sum(logs["lost"].values()) + logs["waiting"]
    assert logs["delivered"] < 3000, "the pipe should have been full"
    took = started.left_after(report["at"]) - plain_end
    assert took < LIMIT, f"leaving took {took:.2f} s more than without telemetry"


def test_everything_is_delivered_when_a_process_exits_normally(program: Any, backend: HttpBackend) -> None:
    started = program("serve_and_exit", stdout=subprocess.PIPE, OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    started.report()
    out, error = started.process.communicate(timeout=20)
    lines = [json.loads(line) for line in out.splitlines()]
    assert sum(line["event.dataset"] == "access" for line in lines) == 50, error.decode()[-2000:]
    assert len(spans_sent(backend)) == 50


def test_a_forked_child_has_its_own_pipelines_and_accounts(program: Any, backend: HttpBackend) -> None:
    started = program(
        "fork",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
        OTEL_BSP_SCHEDULE_DELAY="20",
        SENTRY_DSN=backend.url.replace("http://", "http://key@") + "/1",
    )
    child, parent = started.report(), started.report()
    assert (child["who"], parent["who"]) == ("child", "parent")
    for report, requests, errors in ((child, 7, 1), (parent, 8, 2)):
        counts = {signal: (counts["made"], counts["delivered"]) for signal, counts in report["counts"].items()}
        # A failed request has a second line, from Django.
        lines = requests + 2 * errors
        expected = {"traces": requests + errors, "logs": lines, "errors": errors}
        assert counts == {signal: (number, number) for signal, number in expected.items()}, report["who"]


def test_a_child_forked_while_another_thread_held_every_lock_can_work(program: Any, backend: HttpBackend) -> None:
    started = program("fork_while_locked", OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    report = started.report()
    assert report["status"] == 0, started.process.communicate()[1].decode()[-4000:]


@pytest.mark.parametrize("way", ["process", "pool", "executor", "fork", "stopped_fork", "raising_fork"])
def test_a_child_process_delivers_everything_before_it_ends(program: Any, backend: HttpBackend, way: str) -> None:
    started = program(
        f"run_in_child {way}",
        stdout=subprocess.PIPE,
        TELEMETRY_SHUTDOWN_TIMEOUT="10",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
        SENTRY_DSN=backend.url.replace("http://", "http://key@") + "/1",
    )
    started.report()
    out, error = started.process.communicate(timeout=20)
    messages = [json.loads(line)["message"] for line in out.splitlines()]
    # One from the parent, one from the child.
    assert messages.count("working") == 2, error.decode()[-2000:]
    assert messages.count("failed on purpose") == 2
    assert [span.name for span in spans_sent(backend)].count("work") == 2
    assert sum(path == "/api/1/envelope/" for _, path, _, _ in backend.requests) == 2


def test_exiting_in_a_signal_handler_does_not_wait_for_a_lock_that_the_main_thread_holds(
    program: Any, backend: HttpBackend
) -> None:
    started = program("exit_while_locked", OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    started.report()
    assert started.process.wait(20) == 7


def test_sigterm_without_a_handler_delivers_everything_and_ends_the_process(program: Any, backend: HttpBackend) -> None:
    started = program("wait_for_a_signal", stdout=subprocess.PIPE, OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    started.report()
    started.process.terminate()
    out, _ = started.process.communicate(timeout=20)
    assert started.process.returncode == -signal.SIGTERM
    assert b'"working"' in out
    assert {span.name for span in spans_sent(backend)} == {"something", "work"}
