"""Installs what is missing: independent steps in parallel, with progress and an estimate."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from catalogue import Catalogue
from rich.console import Console

from platformctl.install.assets import Assets
from platformctl.install.debian import DebianPackages
from platformctl.install.distributions import Distribution
from platformctl.install.elasticsearch import Elasticsearch
from platformctl.install.gotools import GoTool, GoToolchain
from platformctl.install.steps import Clock, Shell, Step
from platformctl.paths import Paths
from platformctl.settings import Settings

SECONDS_BETWEEN_REPORTS = 15.0
# Below this share of a build the rate is not meaningful yet.
LEAST_TELLING_PROGRESS = 0.1
# One build uses both cores; downloads and apt run beside it.
AT_ONCE = 3
# Built if the settings ask for Prometheus 3.
UPSTREAM = ("prometheus", "alertmanager")


def steps(paths: Paths, settings: Settings, catalogue: Catalogue, uv: Path, distribution: Distribution) -> list[Step]:
    """Every step, in the order in which they are shown. Jaeger first, because it takes longest."""
    return [
        GoToolchain(paths, uv),
        GoTool(paths, "jaeger"),
        DebianPackages(paths, distribution),
        Elasticsearch(paths),
        *(Assets(paths, service) for service in catalogue.services.values() if service.assets),
        GoTool(paths, "process-compose"),
        GoTool(paths, "toxiproxy"),
        *(GoTool(paths, tool) for tool in UPSTREAM if settings.prometheus == "3"),
    ]


class Installation:
    """One run of all steps."""

    def __init__(self, all_steps: Sequence[Step], cache: Path, console: Console) -> None:
        self._steps = all_steps
        self._cache = cache
        self._console = console
        self._cancelled = threading.Event()
        self._durations = _Durations(cache / "durations.json")

    def run(self) -> int:
        """Install what is missing and return the number of steps that ran. Raises InstallError at the first failure."""
        if all(step.is_done() for step in self._steps):
            return 0
        with _exclusive(self._cache, self._console):
            missing = [step for step in self._steps if not step.is_done()]
            if missing:
                # All of them before the first: a build takes minutes.
                for step in missing:
                    step.check(self._shell(step))
                self._run(missing)
                self._tidy()
            return len(missing)

    def _run(self, missing: list[Step]) -> None:
        clock = Clock()
        numbers = {step.name: number for number, step in enumerate(missing, start=1)}
        self._say(f"Installing {len(missing)} of {len(self._steps)} parts, about {_minutes(self._estimate(missing))}:")
        for step in missing:
            self._say(f"  [{numbers[step.name]}/{len(missing)}] {step.title}, {_minutes(self._expected(step))}")
        waiting = list(missing)
        running: dict[Future[None], tuple[Step, Clock]] = {}
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            try:
                while waiting or running:
                    for step in self._startable(waiting, [step for step, _ in running.values()]):
                        waiting.remove(step)
                        running[pool.submit(self._install, step)] = (step, Clock())
                    done, _ = wait(running, timeout=SECONDS_BETWEEN_REPORTS, return_when=FIRST_COMPLETED)
                    for future in done:
                        step, own = running.pop(future)
                        future.result()
                        self._durations.record(step.name, own.seconds)
                        self._say(
                            f"  [{numbers[step.name]}/{len(missing)}] {step.title}: done in {_minutes(own.seconds)}"
                        )
                    if not done:
                        self._report(running, waiting, clock)
            except BaseException:
                self._cancelled.set()
                raise

    def _startable(self, waiting: Sequence[Step], running: Sequence[Step]) -> list[Step]:
        unfinished = {step.name for step in (*waiting, *running)}
        free = AT_ONCE - len(running)
        building = any(isinstance(step, GoTool) for step in running)
        chosen: list[Step] = []
        for step in waiting:
            is_build = isinstance(step, GoTool)
            if len(chosen) < free and not unfinished & set(step.needs) and not (is_build and building):
                chosen.append(step)
                building = building or is_build
        return chosen

    def _install(self, step: Step) -> None:
        step.install(self._shell(step))

    def _shell(self, step: Step) -> Shell:
        return Shell(self._cache / "log" / f"{step.name}.log", self._cancelled)

    def _report(self, running: dict[Future[None], tuple[Step, Clock]], waiting: Sequence[Step], clock: Clock) -> None:
        parts, left = [], {step.name: self._expected(step) for step in waiting}
        for step, own in running.values():
            left[step.name], text = self._left(step, own.seconds)
            parts.append(f"{step.name} {text}")
        builds = {step.name for step in self._steps if isinstance(step, GoTool)}
        total = max(
            sum(seconds for name, seconds in left.items() if name in builds),
            sum(seconds for name, seconds in left.items() if name not in builds),
        )
        self._say(f"  {_minutes(clock.seconds)} elapsed, about {_minutes(total)} left: {', '.join(parts)}")

    def _left(self, step: Step, elapsed: float) -> tuple[float, str]:
        """Seconds left for a running step, and its state as text."""
        done = step.progress()
        if done is not None and done > LEAST_TELLING_PROGRESS:
            return elapsed * (1 - done) / done, f"{done:.0%}"
        expected = self._expected(step)
        if elapsed > expected:
            return expected / 4, f"{_minutes(elapsed)}, longer than the usual {_minutes(expected)}"
        return expected - elapsed, f"{_minutes(elapsed)} of about {_minutes(expected)}"

    def _expected(self, step: Step) -> float:
        return self._durations.of(step.name) or step.typical_seconds

    def _estimate(self, missing: Sequence[Step]) -> float:
        builds = sum(self._expected(step) for step in missing if isinstance(step, GoTool))
        others = sum(self._expected(step) for step in missing if not isinstance(step, GoTool))
        return max(builds, others)

    def _tidy(self) -> None:
        """Delete the compilers' caches (3 GB) once everything is built. Runs in the background: it takes a minute."""
        caches = self._cache / "go"
        rubbish = self._cache / f".rubbish.{os.getpid()}"
        rubbish.mkdir(exist_ok=True)
        for folder in ("build", "mod"):
            if (caches / folder).exists():
                (caches / folder).rename(rubbish / folder)
        subprocess.Popen(["nice", "rm", "-rf", str(rubbish)], start_new_session=True, stderr=subprocess.DEVNULL)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)
        sys.stdout.flush()


class _Durations:
    """The duration of each step on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, name: str) -> float | None:
        return self._load().get(name)

    def record(self, name: str, seconds: float) -> None:
        self._path.write_text(json.dumps(self._load() | {name: round(seconds, 1)}))

    def _load(self) -> dict[str, float]:
        try:
            known: dict[str, float] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return known


@contextmanager
def _exclusive(cache: Path, console: Console) -> Iterator[None]:
    """Hold the lock on the cache, which clones share. It is released when the process ends, however that happens."""
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    with (cache / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("Another installation is running on this machine: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
