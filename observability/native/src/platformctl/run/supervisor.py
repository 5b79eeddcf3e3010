"""process-compose: its configuration, and its API over a Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from platformctl.errors import SupervisorError
from platformctl.run.model import ExecProbe, HttpProbe, Probe, Process

# Marks every process of a clone in its environment, so that its descendants can be found too.
INSTANCE_VARIABLE = "PLATFORM_INSTANCE"
# process-compose stops a process whose readiness probe failed this often. A process that isn't ready because
# something else is down must keep running, so the limit is never reached.
NEVER = 2_000_000_000
LOG_FILE_MEGABYTES = 20
LOG_FILES_KEPT = 10
RESTART_BACKOFF_SECONDS = 2
OPEN_FILES = 65536
FORGET_SECONDS = 3.0
# What process-compose logs when it has started.
READY = b"Spinning up"


@dataclass(frozen=True)
class State:
    """process-compose's state of one process. `pid` is 0 while it isn't running; `last_pid` stays."""

    name: str
    status: str
    health: str
    pid: int
    last_pid: int
    restarts: int
    exit_code: int
    running: bool
    age_seconds: float


def configuration(processes: Iterable[Process], log: Path) -> str:
    """process-compose's configuration as YAML.

    Every process is disabled: platformctl starts each one, in order of health. (Its own depends_on doesn't notice that
    a process which was stopped once has been started again.)
    """
    document = {
        "version": "0.5",
        "is_strict": True,
        "disable_env_expansion": True,
        "log_length": 50,
        "processes": {process.name: _process(process, log) for process in processes},
    }
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def _process(process: Process, log: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "description": f"{process.group.value}: {process.service or process.name}",
        "namespace": process.group.value,
        "disabled": True,
        # No shell in between: the pid is the process's own.
        "entrypoint": list(process.command),
        "environment": _variables(process.environment),
        "is_dotenv_disabled": True,
        "log_location": str(log / f"{process.name}.log"),
        # These four options together keep the lines as they were written.
        "log_configuration": {
            "disable_json": True,
            "no_metadata": True,
            "no_color": True,
            "fields_order": ["message"],
            "flush_each_line": True,
            "rotation": {"max_size_mb": LOG_FILE_MEGABYTES, "max_backups": LOG_FILES_KEPT},
        },
        "availability": {"restart": "no"}
        if process.one_shot
        else {"restart": "always", "backoff_seconds": RESTART_BACKOFF_SECONDS},
        "shutdown": {
            "signal": int(process.stop_signal),
            "timeout_seconds": process.stop_timeout,
            # Parents stop their own children: gunicorn lets its workers finish their requests, PostgreSQL its backends.
            "parent_only": True,
        },
    }
    if process.working_dir is not None:
        # The only value that it takes as a template.
        entry["working_dir"] = str(process.working_dir).replace("{{", '{{"{{"}}')
    if process.probe is not None:
        entry["readiness_probe"] = _probe(process.probe, process.probe_seconds)
    return entry


def _probe(probe: Probe, period: int) -> dict[str, Any]:
    timing = {"period_seconds": period, "timeout_seconds": 3, "failure_threshold": NEVER}
    match probe:
        case HttpProbe(port, path):
            return timing | {"http_get": {"host": "127.0.0.1", "scheme": "http", "port": str(port), "path": path}}
        case ExecProbe(command):
            return timing | {"exec": {"command": "exec " + " ".join(command)}}


class Supervisor:
    """process-compose of one clone."""

    def __init__(
        self, binary: Path, configuration_file: Path, socket_path: Path, log_file: Path, instance: str
    ) -> None:
        self._binary = binary
        self._configuration = configuration_file
        self._socket = socket_path
        self._log = log_file
        self._instance = instance

    def is_running(self) -> bool:
        """Whether it responds."""
        try:
            self._call("GET", "/live", timeout=2.0)
        except SupervisorError:
            return False
        return True

    def start(self, path: str, timeout: float = 15.0) -> None:
        """Start it in the background, detached from the caller's terminal. It starts no process yet."""
        self._socket.unlink(missing_ok=True)
        _allow_open_files()
        command = [str(self._binary), "-f", str(self._configuration), "-t=false", "--keep-project", "--disable-dotenv"]
        # Measuring memory and CPU of each process, which is not used here, would cost half a core.
        command += ["--slow-ref-rate", "86400s", "-U", "-u", str(self._socket), "-L", str(self._log)]
        self._log.unlink(missing_ok=True)
        # The caller's environment must not leak into the processes: they get only the configured variables.
        environment = {"PATH": path, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
        with self._log.with_suffix(".stderr").open("ab") as errors:
            process = subprocess.Popen(
                command,
                env=environment | {INSTANCE_VARIABLE: self._instance},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        # Its API responds a moment before it can start processes; a start in that moment blocks it for good.
        while not (self._has_logged(READY) and self.is_running()):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace").splitlines()[-20:] if self._log.exists() else []
                raise SupervisorError("process-compose did not start", detail=tail, advice=f"see {self._log}")
            time.sleep(0.1)
        self._socket.chmod(0o600)

    def _has_logged(self, text: bytes) -> bool:
        return self._log.exists() and text in self._log.read_bytes()

    def states(self) -> dict[str, State]:
        """Every process by name."""
        answer = self._call("GET", "/processes")
        return {entry["name"]: _state(entry) for entry in answer["data"]}

    def state(self, name: str) -> State:
        """One process."""
        return _state(self._call("GET", f"/process/{name}"))

    def start_process(self, name: str) -> None:
        """Start a process that isn't running. It may not be ready yet when this returns."""
        deadline = time.monotonic() + FORGET_SECONDS
        while True:
            try:
                self._call("POST", f"/process/start/{name}")
                return
            except SupervisorError as error:
                # A process that has just ended is still known as running for a moment.
                if "already running" not in error.message or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def set_environment(self, name: str, environment: Mapping[str, str]) -> None:
        """Set other variables for a stopped process. They apply from its next start until the platform is restarted."""
        entry = self._call("GET", f"/process/info/{name}")
        entry["Environment"] = _variables(environment)
        self._call("POST", "/process", body=entry)

    def stop_process(self, name: str) -> None:
        """Stop a process; it stays stopped. SIGKILL follows after its stop timeout. Doesn't wait for the end.

        process-compose responds when the process has ended, but misses the end of a process that stops quickly and then
        responds only after the stop timeout. So this ignores the response; the state shows the end.
        """
        with suppress(_NoAnswerYet):
            self._call("PATCH", f"/process/stop/{name}", timeout=0.5)

    def shut_down(self, timeout: float = 5.0) -> None:
        """Stop process-compose itself. Its processes should have been stopped before."""
        pids = [process.pid for process in self._processes()]
        with suppress(SupervisorError):
            self._call("POST", "/project/stop", timeout=timeout)
        _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=timeout)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._socket.unlink(missing_ok=True)

    def _processes(self) -> Iterable[psutil.Process]:
        for process in processes_of(self._instance):
            with suppress(psutil.Error):
                if process.exe() == str(self._binary):
                    yield process

    def _call(self, method: str, target: str, timeout: float = 10.0, body: Any = None) -> Any:
        connection = _UnixConnection(self._socket, timeout)
        try:
            if body is None:
                connection.request(method, target)
            else:
                connection.request(method, target, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except TimeoutError as error:
            raise _NoAnswerYet(f"process-compose takes its time ({method} {target})") from error
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorError(f"process-compose does not answer ({method} {target}: {error})") from error
        finally:
            connection.close()
        document = json.loads(answer) if answer.strip().startswith((b"{", b"[")) else {}
        if response.status != http.HTTPStatus.OK:
            reason = document.get("error", answer.decode(errors="replace"))
            raise SupervisorError(f"process-compose refuses {method} {target}: {reason}")
        return document


def _variables(environment: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in environment.items()]


def _allow_open_files() -> None:
    """Raise the limit for Elasticsearch. Containers often have a lower one that even root may not raise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for soft, most in ((OPEN_FILES, max(hard, OPEN_FILES)), (min(OPEN_FILES, hard), hard)):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
            return


def processes_of(instance: str) -> list[psutil.Process]:
    """Every process on the machine with the clone's mark in its environment, whatever its parent is."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(INSTANCE_VARIABLE) == instance and process.pid != os.getpid():
                found.append(process)
    return found


class _NoAnswerYet(SupervisorError):
    """No response within the timeout."""


def _state(entry: Mapping[str, Any]) -> State:
    return State(
        name=entry["name"],
        status=entry["status"],
        health=entry["is_ready"],
        pid=entry["pid"] if entry["is_running"] else 0,
        last_pid=entry["pid"],
        restarts=entry["restarts"],
        exit_code=entry["exit_code"],
        running=entry["is_running"],
        age_seconds=entry["age"] / 1e9,
    )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
