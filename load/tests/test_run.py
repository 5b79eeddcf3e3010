"""The commands as users run them, against a stub of the platform."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from platform_testing.polling import eventually
from stub import Stub, serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Stub()) as running:
        yield running


def environment(url: str) -> dict[str, str]:
    services = ("USERS", "INVENTORY", "ORDERS", "NOTIFICATIONS")
    return {**os.environ, **{f"{name}_URL": url for name in services}, "TRACE_URL": "http://jaeger/{trace_id}"}


def start(arguments: list[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 40) -> tuple[int, str, str]:
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, output, errors


def result_of(output: str) -> dict[str, object]:
    match = re.search(r"Written to (\S+)", output)
    assert match, f"expected the result's path in the output, got:\n{output}"
    path = Path(match[1])
    document: dict[str, object] = json.loads(path.read_text())
    path.unlink()
    return document


@contextmanager
def hanging_up() -> Iterator[tuple[int, list[float]]]:
    """A port that accepts every connection and closes it, with the times at which it did."""
    connections: list[float] = []
    with socket.create_server(("127.0.0.1", 0), reuse_port=False) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(time.monotonic())
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def longest_pause(moments: list[float]) -> float:
    return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)


def load_run(*options: str) -> list[str]:
    return ["-m", "load", "run", *options]


def test_a_run_of_all_journeys_passes_and_reports(stub: Stub) -> None:
    code, output, errors = finish(start(load_run("--users", "20", "--time", "6s"), environment(stub.url)))
    assert code == 0, f"expected exit code 0, got {code}:\n{output}\n{errors}"
    progress = re.findall(r"^ +\d+/6 s  users", output, re.MULTILINE)
    assert len(progress) >= 4, f"expected a line each second, got:\n{output}"
    assert not re.search(r" 0\.0 req/s", output.partition("\n")[2].partition("steady")[0]), f"no rate in:\n{output}"
    document = result_of(output)
    assert document["total"]["failures"] == 0  # type: ignore[index]
    assert document["total"]["requests"] > 20  # type: ignore[index]
    assert len(document["slowest"]) == 5  # type: ignore[arg-type]
    assert re.search(r"http://jaeger/[0-9a-f]{32}\n", output), f"expected trace links, got:\n{output}"
    for method, path in (("GET", "/api/v1/products"), ("POST", "/api/v1/token"), ("POST", "/api/v1/orders")):
        assert stub.count(method, path), f"expected {method} {path} to be requested; got {set(stub.seen)}"


@pytest.mark.parametrize("journey", ["browse", "account", "order", "misbehaving"])
def test_each_journey_alone_gets_the_responses_that_it_expects(stub: Stub, journey: str) -> None:
    # A short wait between tasks, so that every task of the journey has its turn.
    script = (
        "import sys, locust; from load.shopper import Shopper; from load.journeys import NAMES\n"
        "for journey in NAMES.values(): journey.wait_time = locust.constant(0.01)\n"
        "from load.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    options = ["run", "--users", "4", "--time", "4s", "--journeys", journey, "--max-failures", "0"]
    code, output, errors = finish(start(["-c", script, *options], environment(stub.url)))
    assert code == 0, f"expected no failure, got exit code {code}:\n{output}\n{errors}"
    assert not errors, f"expected nothing on stderr, got:\n{errors}"
    result_of(output)


def test_failures_beyond_the_threshold_fail_the_run_and_show_their_traces(stub: Stub) -> None:
    stub.broken_orders = True
    options = load_run("--users", "4", "--time", "3s", "--journeys", "order")
    code, output, errors = finish(start(options, environment(stub.url)))
    assert code == 1, f"expected exit code 1, got {code}:\n{output}\n{errors}"
    document = result_of(output)
    fault = document["failed"][0]  # type: ignore[index]
    assert re.match(r"expected \d+, got 500 internal_error", fault["fault"]), fault
    assert re.fullmatch(r"http://jaeger/[0-9a-f]{32}", fault["trace_url"]), fault
    assert "More failures than allowed" in errors


def test_an_unavailable_platform_fails_the_run_in_time() -> None:
    began = time.monotonic()
    options = load_run("--users", "2", "--time", "2s", "--journeys", "browse")
    code, output, errors = finish(start(options, environment("http://127.0.0.1:9")))
    assert code == 1, f"expected exit code 1, got {code}:\n{output}\n{errors}"
    assert "no answer: ConnectionRefusedError" in output
    result_of(output)
    assert time.monotonic() - began < 15


def test_ctrl_c_ends_the_run_with_its_summary(stub: Stub) -> None:
    process = start(load_run("--users", "3", "--time", "10m"), environment(stub.url))
    eventually(lambda: len(stub.seen), "the first requests", accept=lambda actual: actual > 5, timeout=20)
    process.send_signal(signal.SIGINT)
    code, output, errors = finish(process)
    assert code == 130, f"expected exit code 130, got {code}:\n{output}\n{errors}"
    assert "interrupted after" in output
    assert result_of(output)["interrupted"] is True


def test_a_slow_platform_cannot_prolong_the_run(stub: Stub) -> None:
    stub.delay = 60.0
    began = time.monotonic()
    options = load_run("--users", "2", "--time", "1s", "--journeys", "browse")
    code, output, errors = finish(start(options, environment(stub.url)))
    assert code == 1, f"expected exit code 1, got {code}:\n{output}\n{errors}"
    result_of(output)
    assert time.monotonic() - began < 20


def test_every_wrong_option_is_refused_and_named() -> None:
    # All in one process: each start of Locust costs a second.
    script = """
import locust
from load.__main__ import parser
for option in ("--users=0", "--users=x", "--time=never", "--time=0s", "--time=25h", "--shape=square",
               "--journeys=browse,fly", "--max-failures=2"):
    try:
        parser().parse_args(["run", option])
        print("accepted", option)
    except SystemExit as refusal:
        assert refusal.code == 2
"""
    code, output, errors = finish(start(["-c", script], os.environ))
    assert code == 0, errors
    assert not output, f"expected every option to be refused, got {output}"
    for named in ("--users: 'x'", "--time: 'never'", "--time: '25h'", "'square'", "'fly'", "--max-failures: '2'"):
        assert named in errors, f"expected {named} to be named, got:\n{errors}"


def test_load_does_not_leave_the_machine_without_the_option() -> None:
    code, output, errors = finish(start(load_run("--time", "1s"), environment("http://192.0.2.1")))
    assert code == 2, f"expected exit code 2, got {code}:\n{output}\n{errors}"
    assert "--allow-remote" in errors
    assert not output


def test_traffic_uses_every_service_keeps_its_accounts_and_ends_on_sigterm(stub: Stub) -> None:
    process = start(["-m", "load.traffic"], environment(stub.url))
    wanted = {"/api/v1/products", "/api/v1/token", "/api/v1/orders"}
    eventually(
        lambda: {path for _, path in stub.seen},
        "traffic on every kind of address",
        accept=lambda actual: wanted <= actual,
        timeout=30,
    )
    process.send_signal(signal.SIGTERM)
    code, output, errors = finish(process)
    assert code == 0, f"expected exit code 0, got {code}:\n{output}\n{errors}"
    assert stub.count("POST", "/api/v1/users") <= 2


def test_traffic_slows_down_while_the_platform_is_down_and_resumes_afterwards() -> None:
    with hanging_up() as (port, connections):
        process = start(["-m", "load.traffic"], {**environment(f"http://127.0.0.1:{port}"), "TRAFFIC_USERS": "1"})
        try:
            # Between tasks that get a response it waits 0.9 s at most.
            eventually(
                lambda: longest_pause(connections),
                "a pause of 1.5 s between attempts",
                accept=lambda actual: actual > 1.5,
                timeout=20,
            )
        except BaseException:
            process.kill()
            raise
    try:
        with serving(Stub(), port) as back:
            eventually(lambda: back.count("POST", "/api/v1/orders"), "orders once the platform is up", timeout=50)
    finally:
        process.send_signal(signal.SIGTERM)
        code, output, errors = finish(process)
    assert code == 0, f"expected exit code 0, got {code}:\n{output}\n{errors}"
