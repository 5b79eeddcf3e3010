"""Starts, stops, restarts, signals and lists processes. Used by the command line, the tests and the drills."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

import psutil

from platformctl.errors import PlatformError, ProcessFailed
from platformctl.paths import Paths
from platformctl.run import health, memory
from platformctl.run.model import Process
from platformctl.run.supervisor import State, Supervisor, processes_of

POLL_SECONDS = 0.2
AT_ONCE = 3 + (os.cpu_count() or 1) // 2
LOG_LINES_SHOWN = 15
BEGIN_SECONDS = 10.0
# States besides "running" in which a process exists or is about to start.
STOPPABLE = ("Running", "Restarting", "Terminating", "Launched", "Launching", "Pending")
# A process that crashed this often while starting won't become ready without intervention.
CRASHES_TOLERATED = 3


@dataclass(frozen=True)
class Status:
    """The current state of one process.

    `health` is ready, not ready, starting, running (no probe), restarting or stopped; of a one-shot running, done,
    failed or not due (its inputs are those of its last success).

    """

    name: str
    group: str
    service: str
    health: str
    pid: int
    restarts: int
    exit_code: int
    memory_bytes: int
    age_seconds: float
    url: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Runner:
    """The processes of one clone. Calls that wait have a time limit in seconds and raise PlatformError after it."""

    def __init__(self, paths: Paths, processes: Mapping[str, Process], supervisor: Supervisor) -> None:
        self._paths = paths
        self._processes = processes
        self._supervisor = supervisor

    @property
    def processes(self) -> Mapping[str, Process]:
        """Every known process, by name."""
        return self._processes

    def is_up(self) -> bool:
        """Whether the process runner responds. If it doesn't, no process can be running."""
        return self._supervisor.is_running()

    def list(self, *, with_memory: bool = True) -> Sequence[Status]:
        """Every process, running or not. `memory_bytes` (PSS, descendants included) costs some milliseconds each."""
        states = self._supervisor.states()
        return [self._status(process, states[name], with_memory) for name, process in self._processes.items()]

    def status(self, name: str, *, with_memory: bool = False) -> Status:
        """The status of one process."""
        return self._status(self._known(name), self._supervisor.state(name), with_memory)

    def pid(self, name: str) -> int:
        """The process id; 0 if it isn't running."""
        return self._supervisor.state(self._known(name).name).pid

    def start(self, name: str, *, ready_within: float | None = None, cancelled: Event | None = None) -> None:
        """Start one process and wait until it is ready (a one-shot: until it has succeeded)."""
        process = self._known(name)
        before = self._supervisor.state(name)
        if not self._is_stoppable(before):
            self._supervisor.start_process(name)
            self._wait_begun(name, before.last_pid)
        within = process.ready_within if ready_within is None else ready_within
        self.wait_ready(name, within=within, cancelled=cancelled)

    def stop(self, name: str) -> None:
        """Stop one process, with SIGKILL after its stop timeout. It stays stopped until it is started again."""
        process = self._known(name)
        state = self._supervisor.state(name)
        if not self._is_stoppable(state):
            return
        family = memory.tree(state.pid) if state.pid else []
        # A frozen process couldn't handle its stop signal.
        self.signal(name, signal.SIGCONT)
        self._supervisor.stop_process(name)
        deadline = time.monotonic() + process.stop_timeout
        while not self._have_exited([name], within=0.5):
            # An orphaned child keeps the output open, and process-compose waits for it to end.
            if time.monotonic() > deadline or not (family and memory.is_alive(family[0])):
                _kill(family)
            if time.monotonic() > deadline + 5.0:
                raise ProcessFailed(f"{name} did not stop within {process.stop_timeout + 5} s")

    def restart(self, name: str, *, ready_within: float | None = None) -> None:
        """Stop, then start, then wait until ready."""
        self.stop(name)
        self.start(name, ready_within=ready_within)

    def release(self, name: str, overrides: Mapping[str, str]) -> None:
        """Restart with environment variables added to the usual ones; with none, the usual environment."""
        process = self._known(name)
        self.stop(name)
        self._supervisor.set_environment(name, {**process.environment, **overrides})
        self.start(name)

    def signal(self, name: str, number: signal.Signals) -> Sequence[int]:
        """Send a signal, and return the pids that received it.

        SIGSTOP, SIGCONT and SIGKILL are sent to all descendants too: gunicorn's worker would keep responding while its
        frozen parent can't replace it. Any other signal is sent to the process itself only.
        """
        pid = self.pid(name)
        family = memory.tree(pid) if pid else []
        if number not in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
            family = family[:1]
        reached = []
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                reached.append(process.pid)
        return reached

    def wait_ready(self, name: str, *, within: float, cancelled: Event | None = None) -> None:
        """Return when the process is ready. Raises ProcessFailed with the end of its log after `within` seconds."""
        process = self._known(name)
        deadline = time.monotonic() + within
        restarts = self._supervisor.state(name).restarts
        while True:
            state = self._supervisor.state(name)
            if self._is_ready(process, state):
                return
            if process.one_shot and state.status in ("Completed", "Error", "Skipped") and not state.running:
                raise self._failure(process, f"{name} failed with exit code {state.exit_code}")
            if state.restarts - restarts >= CRASHES_TOLERATED:
                raise self._failure(process, f"{name} crashes again and again (last exit code {state.exit_code})")
            if cancelled is not None and cancelled.is_set():
                raise PlatformError(f"interrupted while {name} was starting")
            if time.monotonic() > deadline:
                raise self._failure(process, f"{name} did not become ready within {within:.0f} s")
            time.sleep(POLL_SECONDS)

    def bring_up(
        self,
        wanted: Sequence[Process],
        prepare: Mapping[str, Callable[[], None]],
        started: Callable[[str, float], None],
        cancelled: Event,
    ) -> None:
        """Start `wanted`, each as soon as its dependencies are ready. Processes that are ready already are skipped.

        `prepare[name]` runs when that process is ready, before those that depend on it start; also if it was ready
        already, because an earlier run may have failed here, so it must be idempotent. `started` is called with each
        process that had to be started and its seconds. Raises the first failure, after which nothing more is started.
        """
        names = {process.name for process in wanted}
        waiting = {process.name: needs_among(process, names, self._processes) for process in wanted}
        running: dict[Future[None], str] = {}
        # A few at a time, in the order of the list: starting all at once would only delay the slowest ones.
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            try:
                while waiting or running:
                    for name in [name for name, needs in waiting.items() if not needs]:
                        del waiting[name]
                        running[pool.submit(self._bring_up_one, name, prepare.get(name), started, cancelled)] = name
                    if not running:
                        raise PlatformError(f"these wait for each other: {', '.join(sorted(waiting))}")
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        name = running.pop(future)
                        future.result()
                        for needs in waiting.values():
                            needs.discard(name)
            except BaseException:
                # After a failure or Ctrl-C, stop waiting: leaving the pool waits for its threads.
                cancelled.set()
                raise

    def stop_all(self, phases: Iterable[tuple[Sequence[str], float]]) -> None:
        """Stop the processes of each phase in parallel, one phase after the other.

        A phase is (names, seconds); processes that still run after that are killed.
        """
        for names, seconds in phases:
            states = self._supervisor.states()
            # A runner that was started before this revision doesn't know the processes that it adds.
            stopping = [name for name in names if name in states and self._is_stoppable(states[name])]
            if stopping:
                self._stop_phase(stopping, seconds)

    def log_tail(self, name: str, lines: int = LOG_LINES_SHOWN) -> Sequence[str]:
        """The last lines that the process wrote."""
        return tail(self._paths, name, lines)

    def leftovers(self) -> Sequence[psutil.Process]:
        """Every existing process of this clone, including the process runner."""
        return processes_of(self._paths.instance)

    def _wait_begun(self, name: str, last_pid: int) -> None:
        """Return when the state is that of the new start, or when there won't be a new start."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while (state := self._supervisor.state(name)).last_pid == last_pid and state.status != "Error":
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{name} did not start within {BEGIN_SECONDS:.0f} s")
            time.sleep(0.05)

    def _bring_up_one(
        self, name: str, prepare: Callable[[], None] | None, started: Callable[[str, float], None], cancelled: Event
    ) -> None:
        process = self._processes[name]
        if cancelled.is_set():
            return
        was_ready = self._is_ready(process, self._supervisor.state(name))
        began = time.monotonic()
        if not was_ready:
            self.start(name, cancelled=cancelled)
        if prepare is not None:
            prepare()
        if not was_ready:
            started(name, time.monotonic() - began)

    def _stop_phase(self, names: Sequence[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        families = [memory.tree(self.pid(name)) for name in names]
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            for name in names:
                pool.submit(self._stop_quietly, name)
        self._have_exited(names, within=deadline - time.monotonic())
        for family in families:
            _kill(family)

    def _stop_quietly(self, name: str) -> None:
        # Processes that don't stop by themselves are killed by their pid right after.
        with suppress(PlatformError):
            self.signal(name, signal.SIGCONT)
            self._supervisor.stop_process(name)

    def _have_exited(self, names: Sequence[str], *, within: float) -> bool:
        deadline = time.monotonic() + within
        while True:
            states = self._supervisor.states()
            if not any(self._is_stoppable(states[name]) for name in names):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS / 2)

    @staticmethod
    def _is_stoppable(state: State) -> bool:
        return state.running or state.status in STOPPABLE

    def _is_ready(self, process: Process, state: State) -> bool:
        if process.one_shot:
            return state.status == "Completed" and state.exit_code == 0
        if not state.running or state.pid == 0:
            return False
        # Without a probe, surviving the first moment counts as ready.
        return health.is_healthy(process.probe) if process.probe is not None else state.age_seconds > 1.0

    def _status(self, process: Process, state: State, with_memory: bool) -> Status:
        family = memory.tree(state.pid) if with_memory and state.pid else []
        return Status(
            name=process.name,
            group=process.group.value,
            service=process.service,
            health=_health(process, state),
            pid=state.pid,
            restarts=state.restarts,
            exit_code=state.exit_code,
            memory_bytes=memory.proportional_bytes(family),
            age_seconds=state.age_seconds if state.running else 0.0,
            url=process.url,
        )

    def _failure(self, process: Process, message: str) -> ProcessFailed:
        detail = self.log_tail(process.name)
        if process.probe is not None:
            detail = [health.explain(process.probe), *detail]
        return ProcessFailed(
            message,
            detail=detail or ["it wrote nothing"],
            advice=f"the whole log: make logs s={process.name}; after the correction: make up",
        )

    def _known(self, name: str) -> Process:
        if name not in self._processes:
            raise PlatformError(
                f"there is no process named {name!r}", advice=f"known are: {', '.join(self._processes)}"
            )
        return self._processes[name]


def needs_among(process: Process, names: set[str], processes: Mapping[str, Process]) -> set[str]:
    """Which of `names` must be ready before `process`: its dependencies, or the dependencies of those left out."""
    needs: set[str] = set()
    for name in process.after:
        needs |= {name} if name in names else needs_among(processes[name], names, processes)
    return needs


def tail(paths: Paths, name: str, lines: int) -> Sequence[str]:
    """The last lines of a process's log."""
    path = paths.log_of(name)
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 400 * lines - 4096))
        text = file.read().decode(errors="replace")
    return [line[:500] for line in text.splitlines() if line.strip()][-lines:]


def _health(process: Process, state: State) -> str:
    if process.one_shot:
        if state.running:
            return "running"
        if state.status == "Disabled":
            return "not due"
        return "done" if state.exit_code == 0 and state.status == "Completed" else "failed"
    if state.status == "Restarting":
        return "restarting"
    if not state.running:
        return "stopped"
    return {"Ready": "ready", "Not Ready": "not ready"}.get(
        state.health, "running" if process.probe is None else "starting"
    )


def _kill(family: Iterable[psutil.Process]) -> None:
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
