"""The process runner with the real process-compose, as the drills and `make up` use it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from platform_testing.polling import eventually
from platform_testing.ports import free_port
from platformctl.errors import PlatformError, ProcessFailed
from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.run import memory, supervisor
from platformctl.run.model import ExecProbe, Group, HttpProbe, Process
from platformctl.run.runner import Runner
from platformctl.run.supervisor import Supervisor
from platformctl.settings import DEFAULT_CACHE

Start = Callable[..., Runner]
SERVER = "import http.server as h; h.HTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a process-compose for this test with these processes, none of them running yet."""
    binary = Locations(Paths(root, Path(os.environ.get("CACHE_DIR", DEFAULT_CACHE)))).process_compose
    assert binary.exists(), f"{binary} is missing: run `make up` first"
    instance = f"test-{uuid.uuid4().hex[:8]}"
    paths = Paths(tmp_path / "clone", tmp_path)
    paths.__dict__["instance"] = instance
    paths.log.mkdir(parents=True)
    made: list[Supervisor] = []

    def run(*processes: Process) -> Runner:
        configuration = tmp_path / "process-compose.yaml"
        configuration.write_text(supervisor.configuration(processes, paths.log))
        # pytest's paths are too long for a socket.
        socket_path = Path(f"/tmp/{instance}.sock")
        made.append(Supervisor(binary, configuration, socket_path, tmp_path / "process-compose.log", instance))
        made[0].start(os.environ["PATH"])
        return Runner(paths, {process.name: process for process in processes}, made[0])

    yield run
    for left in supervisor.processes_of(instance):
        with suppress(psutil.NoSuchProcess):
            left.kill()
    for each in made:
        each.shut_down()


def python(name: str, code: str, **options: object) -> Process:
    return Process(name, Group.SERVICE, (sys.executable, "-u", "-c", code), **options)  # type: ignore[arg-type]


def sleeper(name: str, **options: object) -> Process:
    return Process(name, Group.SERVICE, ("sleep", "300"), **options)  # type: ignore[arg-type]


def test_lines_arrive_in_the_log_as_they_were_written(start: Start, tmp_path: Path) -> None:
    lines = [
        '{"message": "100 % of %s and %d", "nested": {"a": [1, 2]}, "escaped": "\\u0001 \\" \\\\"}',
        "\x1b[31mred\x1b[0m and ünïcödé 日本 🎉\u2028",
        "<nil> INF <b>&amp;</b>\t tab",
        "",
        "   spaces at both ends   ",
        "x%y" * 70_000,
        "carriage return\r",
    ]
    expected = tmp_path / "expected"
    expected.write_text("".join(f"{line}\n" for line in lines), newline="")
    runner = start(Process("writer", Group.SERVICE, ("cat", str(expected)), one_shot=True))
    runner.start("writer")
    log = tmp_path / "clone" / "var" / "log" / "writer.log"
    assert log.read_bytes() == expected.read_bytes()


def test_rotation_keeps_every_line_whole(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_FILE_MEGABYTES", 1)
    code = "import sys\nfor i in range(9000): sys.stdout.write(f'{i} ' + 'x' * (i % 900) + '\\n')"
    runner = start(python("writer", code, one_shot=True))
    runner.start("writer")
    folder = tmp_path / "clone" / "var" / "log"
    rotated = sorted(folder.glob("writer-20*.log"))
    assert len(rotated) >= 2, [file.name for file in folder.iterdir()]
    text = "".join(file.read_text() for file in (*rotated, folder / "writer.log"))
    assert text == "".join(f"{i} {'x' * (i % 900)}\n" for i in range(9000))


def test_the_pid_is_that_of_the_process(start: Start) -> None:
    runner = start(sleeper("one"))
    runner.start("one")
    assert psutil.Process(runner.pid("one")).cmdline() == ["sleep", "300"]


def test_a_killed_process_is_restarted(start: Start) -> None:
    runner = start(sleeper("one"))
    runner.start("one")
    first = runner.pid("one")
    assert runner.signal("one", signal.SIGKILL) == [first]
    eventually(
        lambda: runner.pid("one"), "the process to be started again", accept=lambda actual: actual not in (0, first)
    )
    assert runner.status("one").restarts == 1


def test_a_stopped_process_stays_stopped_until_it_is_started(start: Start) -> None:
    runner = start(sleeper("one"), sleeper("two"))
    runner.start("one")
    runner.start("two")
    runner.stop("one")
    assert runner.status("one").health == "stopped"
    time.sleep(supervisor.RESTART_BACKOFF_SECONDS + 0.5)
    assert (runner.pid("one"), runner.status("two").health) == (0, "running")
    runner.start("one")
    assert runner.status("one").health == "running"


def test_a_process_that_waits_for_its_restart_can_be_stopped(start: Start) -> None:
    runner = start(sleeper("one"))
    runner.start("one")
    runner.signal("one", signal.SIGKILL)
    eventually(
        lambda: runner.status("one").health,
        "the pause before its restart",
        accept=lambda actual: actual == "restarting",
    )
    runner.stop("one")
    time.sleep(supervisor.RESTART_BACKOFF_SECONDS + 0.5)
    assert runner.pid("one") == 0


def test_a_restart_changes_the_pid(start: Start) -> None:
    runner = start(sleeper("one"))
    runner.start("one")
    first = runner.pid("one")
    runner.restart("one")
    assert runner.pid("one") not in (0, first)


def test_a_one_shot_can_run_again_and_its_last_run_counts(start: Start, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    code = f"import pathlib, time; time.sleep(0.3); p = pathlib.Path({str(marker)!r}); raise SystemExit(p.exists())"
    runner = start(python("once", code, one_shot=True))
    runner.start("once")
    marker.touch()
    with pytest.raises(ProcessFailed, match="once failed with exit code 1"):
        runner.start("once")
    marker.unlink()
    runner.restart("once")
    assert runner.status("once").health == "done"


def test_a_process_that_ends_quickly_can_be_restarted_repeatedly(start: Start) -> None:
    runner = start(sleeper("one", probe=ExecProbe(("true",))))
    runner.start("one")
    pids = set()
    for _ in range(5):
        runner.restart("one")
        pids.add(runner.pid("one"))
    assert len(pids) == 5


def test_starting_a_process_that_waits_for_its_restart_waits_for_it(start: Start) -> None:
    runner = start(sleeper("one"))
    runner.start("one")
    runner.signal("one", signal.SIGKILL)
    eventually(
        lambda: runner.status("one").health,
        "the pause before its restart",
        accept=lambda actual: actual == "restarting",
    )
    runner.start("one")
    assert runner.status("one").health == "running"


def test_a_command_that_does_not_exist_is_named(start: Start) -> None:
    runner = start(Process("bad", Group.SERVICE, ("/no/such/program",), one_shot=True))
    with pytest.raises(ProcessFailed, match="bad failed"):
        runner.start("bad")


def test_stop_and_continue_reach_all_descendants_and_a_frozen_process_can_be_stopped(start: Start) -> None:
    code = "import subprocess; subprocess.run(['sleep', '300'])"
    runner = start(python("parent", code, stop_timeout=5))
    runner.start("parent")
    eventually(
        lambda: len(psutil.Process(runner.pid("parent")).children()), "the child", accept=lambda actual: actual == 1
    )
    family = runner.signal("parent", signal.SIGSTOP)
    assert len(family) == 2
    eventually(
        lambda: {psutil.Process(pid).status() for pid in family},
        "both to be frozen",
        accept=lambda actual: actual == {psutil.STATUS_STOPPED},
    )
    runner.signal("parent", signal.SIGCONT)
    eventually(
        lambda: {psutil.Process(pid).status() for pid in family},
        "both to go on",
        accept=lambda actual: psutil.STATUS_STOPPED not in actual,
    )
    runner.signal("parent", signal.SIGSTOP)
    runner.stop("parent")
    assert runner.pid("parent") == 0


def test_a_child_that_outlives_its_parent_does_not_outlive_the_stop(start: Start) -> None:
    runner = start(python("parent", "import subprocess; subprocess.run(['sleep', '300'])"))
    runner.start("parent")
    eventually(
        lambda: len(psutil.Process(runner.pid("parent")).children()), "the child", accept=lambda actual: actual == 1
    )
    (child,) = psutil.Process(runner.pid("parent")).children()
    runner.stop("parent")
    eventually(lambda: not memory.is_alive(child), "the child's end", timeout=3)


def test_other_signals_reach_the_process_alone(start: Start) -> None:
    code = (
        "import signal, subprocess\n"
        "signal.signal(signal.SIGHUP, lambda *_: print('hup'))\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "while True: signal.pause()\n"
    )
    runner = start(python("parent", code))
    runner.start("parent")
    eventually(
        lambda: len(psutil.Process(runner.pid("parent")).children()), "the child", accept=lambda actual: actual == 1
    )
    assert runner.signal("parent", signal.SIGHUP) == [runner.pid("parent")]
    eventually(lambda: runner.log_tail("parent"), "the handler's line", accept=lambda actual: actual == ["hup"])
    assert len(psutil.Process(runner.pid("parent")).children()) == 1


def test_a_dependent_process_starts_when_its_dependency_is_ready(start: Start, tmp_path: Path) -> None:
    ready, port = tmp_path / "ready", free_port()
    late = f"import pathlib, time; time.sleep(1); pathlib.Path({str(ready)!r}).touch(); {SERVER.format(port=port)}"
    seen = f"import pathlib, time; print(pathlib.Path({str(ready)!r}).exists()); time.sleep(300)"
    first = python("first", late, probe=HttpProbe(port))
    runner = start(python("second", seen, after=("first",)), first)
    order: list[str] = []
    runner.bring_up(
        list(runner.processes.values()),
        {"first": lambda: order.append("prepared")},
        lambda name, _: order.append(name),
        threading.Event(),
    )
    assert order == ["prepared", "first", "second"]
    assert runner.log_tail("second") == ["True"]


def test_bringing_up_a_running_process_does_not_restart_it(start: Start) -> None:
    runner = start(sleeper("one"), Process("once", Group.SERVICE, ("true",), one_shot=True))
    started: list[str] = []
    for _ in range(2):
        runner.bring_up(list(runner.processes.values()), {}, lambda name, _: started.append(name), threading.Event())
        eventually(lambda: runner.status("one").age_seconds, "it to count as ready", accept=lambda actual: actual > 1.1)
    assert sorted(started) == ["once", "one"]


def test_a_preparation_that_failed_is_made_up_for_by_the_next_run(start: Start) -> None:
    runner = start(sleeper("store"), sleeper("user", after=("store",)))
    order: list[str] = []

    def prepare() -> None:
        order.append("prepared" if order else "failed")
        if order == ["failed"]:
            raise PlatformError("the store refused the template")

    def bring_up() -> None:
        wanted = list(runner.processes.values())
        runner.bring_up(wanted, {"store": prepare}, lambda name, _: order.append(name), threading.Event())

    with pytest.raises(PlatformError, match="refused the template"):
        bring_up()
    eventually(lambda: runner.status("store").age_seconds, "it to count as ready", accept=lambda actual: actual > 1.1)
    bring_up()
    assert order == ["failed", "prepared", "user"]


def test_a_failing_process_is_named_with_its_last_lines_and_advice(start: Start) -> None:
    runner = start(python("bad", "raise SystemExit('the reason')", one_shot=True), sleeper("next", after=("bad",)))
    with pytest.raises(ProcessFailed) as caught:
        runner.bring_up(list(runner.processes.values()), {}, lambda *_: None, threading.Event())
    assert "bad failed with exit code 1" in str(caught.value)
    assert "the reason" in str(caught.value)
    assert "make logs s=bad" in str(caught.value)
    assert runner.pid("next") == 0


def test_waiting_for_a_process_that_never_becomes_ready_ends_with_its_probes_result(start: Start) -> None:
    port = free_port()
    runner = start(sleeper("deaf", probe=HttpProbe(port, "/readyz"), ready_within=1.0))
    with pytest.raises(ProcessFailed) as caught:
        runner.start("deaf")
    assert "did not become ready within 1 s" in str(caught.value)
    assert f"GET http://127.0.0.1:{port}/readyz" in str(caught.value)


def test_waiting_for_a_process_that_crashes_repeatedly_ends_early(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_BACKOFF_SECONDS", 1)
    runner = start(python("bad", "raise SystemExit('no')", probe=ExecProbe(("false",)), ready_within=60.0))
    began = time.monotonic()
    with pytest.raises(ProcessFailed, match="crashes again and again"):
        runner.start("bad")
    assert time.monotonic() - began < 30


def test_a_process_whose_probe_fails_for_long_is_not_killed(start: Start) -> None:
    runner = start(sleeper("one", probe=ExecProbe(("false",)), probe_seconds=1))
    with pytest.raises(ProcessFailed):
        runner.start("one", ready_within=0.1)
    eventually(lambda: runner.status("one").health, "the probe's verdict", accept=lambda actual: actual == "not ready")
    first = runner.pid("one")
    time.sleep(5)
    assert runner.pid("one") == first


def test_a_process_that_ignores_the_stop_signal_is_killed_in_time(start: Start) -> None:
    code = "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.run(['sleep', '300'])"
    runner = start(python("stubborn", code, stop_timeout=60), sleeper("one"))
    for name in ("stubborn", "one"):
        runner.start(name)
    eventually(
        lambda: len(psutil.Process(runner.pid("stubborn")).children()), "the child", accept=lambda actual: actual == 1
    )
    family = [process.pid for process in psutil.Process(runner.pid("stubborn")).children()]
    family.append(runner.pid("stubborn"))
    began = time.monotonic()
    runner.stop_all([(["stubborn", "one"], 1.0)])
    assert time.monotonic() - began < 8
    eventually(
        lambda: [pid for pid in family if psutil.pid_exists(pid)],
        "the end of parent and child",
        accept=lambda alive: not alive,
    )


def test_the_callers_environment_does_not_leak_into_processes(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SECRET_OF_THE_SHELL", "x")
    show = "import os; print(sorted(k for k in os.environ if 'SECRET' in k)); print(os.environ['GIVEN'])"
    runner = start(python("one", show, environment={"GIVEN": "a $HOME ${PATH} {{.x}} %s"}, one_shot=True))
    runner.start("one")
    assert runner.log_tail("one") == ["[]", "a $HOME ${PATH} {{.x}} %s"]


def test_a_folder_and_a_program_of_any_name_are_taken_as_they_are(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "größe 日本 [1], $HOME {{.x}} ${PATH} 100%s 'quoted\" \\"
    folder.mkdir()
    program = folder / "program"
    program.write_text('#!/bin/sh\npwd\necho "$1"\n')
    program.chmod(0o755)
    runner = start(Process("one", Group.SERVICE, (str(program), str(folder)), working_dir=folder, one_shot=True))
    runner.start("one")
    assert runner.log_tail("one") == [str(folder), str(folder)]


def test_a_release_changes_the_environment_until_it_is_reverted(start: Start) -> None:
    show = "import os, time; print(os.environ['VERSION'], os.environ['OTHER']); time.sleep(300)"
    runner = start(python("one", show, environment={"VERSION": "1", "OTHER": "a $HOME {{.x}} %s"}))
    runner.start("one")
    runner.release("one", {"VERSION": "2"})
    eventually(lambda: len(runner.log_tail("one")), "the new version's line", accept=lambda actual: actual == 2)
    runner.signal("one", signal.SIGKILL)
    eventually(lambda: len(runner.log_tail("one")), "the line after a crash", accept=lambda actual: actual == 3)
    runner.release("one", {})
    eventually(lambda: len(runner.log_tail("one")), "the old version's line", accept=lambda actual: actual == 4)
    assert [line[0] for line in runner.log_tail("one")] == ["1", "2", "2", "1"]
    assert {line[2:] for line in runner.log_tail("one")} == {"a $HOME {{.x}} %s"}


def test_no_process_is_left_after_stopping_all(start: Start) -> None:
    runner = start(sleeper("one"), sleeper("two"))
    runner.start("one")
    runner.start("two")
    assert len(runner.leftovers()) == 3
    runner.stop_all([(["one", "two"], 3.0)])
    runner._supervisor.shut_down()
    assert runner.leftovers() == []


def test_the_runner_can_be_stopped_and_started_again(start: Start) -> None:
    runner = start(sleeper("one"))
    for _ in range(2):
        runner.start("one")
        runner.stop_all([(["one"], 3.0)])
        runner._supervisor.shut_down()
        assert not runner.is_up()
        runner._supervisor.start(os.environ["PATH"])


def test_an_unknown_name_is_refused(start: Start) -> None:
    runner = start(sleeper("one"))
    for call in (runner.start, runner.stop, runner.restart, runner.pid, runner.status):
        with pytest.raises(PlatformError, match="no process named 'two'"):
            call("two")
    with pytest.raises(PlatformError, match="no process named 'two'"):
        runner.release("two", {})
