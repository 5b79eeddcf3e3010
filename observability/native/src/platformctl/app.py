"""The platform of one clone: the entry point for the command line and the tests."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import catalogue as catalogue_module
from catalogue import Catalogue
from rich.console import Console

from platformctl import settings
from platformctl.errors import PlatformError
from platformctl.install import distributions
from platformctl.install.locations import Locations
from platformctl.install.plan import Installation, steps
from platformctl.paths import Paths, is_text, repository_root
from platformctl.run import account, alertmanager, database, ports, processes, search
from platformctl.run.backends import SYSTEM_PATH, Backends
from platformctl.run.environment import HOST, ServiceEnvironment
from platformctl.run.model import Group, Process
from platformctl.run.one_shots import OneShots
from platformctl.run.render import Renderer
from platformctl.run.runner import Runner
from platformctl.run.supervisor import Supervisor
from platformctl.secret_store import SecretStore
from platformctl.settings import Settings

# Backends keep their state here, owned by the system account.
STATEFUL = ("postgres", "rabbitmq", "elasticsearch", "prometheus", "prometheus-3", "alertmanager")
# These stop last, because the others still need them while they stop. All other backends stop before them.
STORES = ("postgres", "rabbitmq", "epmd", "elasticsearch")
# Seconds that `down` gives each phase; less than 15 in all, its own work included.
SERVICES_STOP_SECONDS = 4.5
PIPELINE_STOP_SECONDS = 2.5
STORES_STOP_SECONDS = 4.0


class Platform:
    """The platform of one clone."""

    def __init__(self, root: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        root = (root or repository_root()).resolve()
        if not is_text(root):
            raise PlatformError(
                f"this clone's path is not UTF-8 text: {os.fsencode(root)!r}", advice="rename the folder"
            )
        self.catalogue: Catalogue = catalogue_module.load(root / "services" / "catalogue" / "catalogue.yaml")
        self.settings: Settings = settings.load(root, self.catalogue, environ)
        self.paths = Paths(root, self.settings.cache)
        self.secrets = SecretStore(self.paths.secrets)
        self.account = account.BACKENDS

    @cached_property
    def environment(self) -> ServiceEnvironment:
        """Builds the environments of services."""
        return ServiceEnvironment(self.paths, self.settings, self.secrets, self.catalogue)

    @cached_property
    def backends(self) -> Backends:
        """Builds the processes of backends."""
        return Backends(self.paths, self.settings, self.secrets, self.account)

    @cached_property
    def processes(self) -> dict[str, Process]:
        """All processes, by name."""
        return processes.build(self.paths, self.settings, self.catalogue, self.backends, self.environment)

    @cached_property
    def renderer(self) -> Renderer:
        """Writes var/etc."""
        return Renderer(self.paths, self.settings, self.catalogue, self.secrets, self.account)

    @cached_property
    def runner(self) -> Runner:
        """Starts and stops processes."""
        return Runner(self.paths, self.processes, self.supervisor)

    @cached_property
    def supervisor(self) -> Supervisor:
        """process-compose."""
        return Supervisor(
            Locations(self.paths).process_compose,
            self.renderer.process_compose_file,
            self.paths.socket,
            self.paths.log / "process-compose.log",
            self.paths.instance,
        )

    def up(self, names: Sequence[str], console: Console, uv: Path) -> None:
        """Install what is missing and start `names` (everything when empty). Raises PlatformError.

        If it fails or is interrupted, it stops everything that it started, provided that nothing ran before.
        """
        with self.exclusive():
            account.prepare_var(self.paths.var_link, self.paths.instance)
            wanted = processes.select(self.processes, names or self._everything())
            # Before the installation, which can take minutes.
            ports.check_free(wanted, self.paths.instance)
            distribution = distributions.this_machine(self.paths.root)
            database.check_version(self.paths.lib / "postgres", distribution)
            Installation(
                steps(self.paths, self.settings, self.catalogue, uv, distribution), self.paths.cache, console
            ).run()
            Locations(self.paths).link_system_programs(distribution)
            account.ensure_account(self.account)
            self._prepare()
            was_running, changed = self._apply(console)
            if not was_running:
                alertmanager.clear_notification_log(self.paths.lib / "alertmanager")
                self.supervisor.start(SYSTEM_PATH)
            try:
                self._stop_changed(changed, console)
                self._start(wanted, console)
            except KeyboardInterrupt:
                if not was_running:
                    console.print("Interrupted: stopping what was started.")
                    self._stop()
                raise

    def down(self) -> int:
        """Stop everything and kill what doesn't stop in time. Returns the number of processes that were running."""
        with self.exclusive():
            return self._stop()

    def reset(self) -> None:
        """Stop everything and delete all data. Builds and downloads stay in the cache."""
        with self.exclusive():
            self._stop()
            paths = self.paths
            for folder in (paths.lib, paths.log, paths.mail, paths.etc, paths.run, paths.test_results):
                shutil.rmtree(folder, ignore_errors=True)
            # Passwords have the same lifetime as the data that they protect.
            shutil.rmtree(paths.secrets, ignore_errors=True)
            account.remove_outside(paths.var_link)

    def process(self, name: str) -> Process:
        """A process by name. Raises PlatformError for an unknown name."""
        if name not in self.processes:
            raise PlatformError(f"there is no process named {name!r}", advice=f"known are: {', '.join(self.processes)}")
        return self.processes[name]

    def traffic_wanted(self) -> bool:
        """Whether background traffic is part of the full platform."""
        return self.settings.traffic

    def url(self, variable: str, path: str = "") -> str:
        """The URL of a backend, by its port variable."""
        return f"http://{HOST}:{self.settings.ports[variable]}{path}"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock that lets only one command start or stop processes. It is released when the process ends."""
        lock_file = Path(f"/run/django-observability-{self.paths.instance}.lock")
        with lock_file.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise PlatformError(
                    f"another make up, down or reset is at work here (pid {lock.read().strip()})",
                    advice="wait for it to end",
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _everything(self) -> list[str]:
        groups = [Group.BACKEND, Group.SERVICE, *([Group.TRAFFIC] if self.traffic_wanted() else [])]
        return [group.value for group in groups]

    def _prepare(self) -> None:
        """Create folders, secrets and configuration. Safe while the platform runs."""
        for folder in (self.paths.log, self.paths.run, self.paths.lib, self.paths.mail):
            folder.mkdir(parents=True, exist_ok=True)
        # Mails contain names, addresses and orders of customers.
        self.paths.mail.chmod(0o700)
        for backend in STATEFUL:
            account.ensure_private_folder(self.paths.lib / backend, self.account)
        for part in ("data", "logs", "tmp"):
            account.ensure_private_folder(self.paths.lib / "elasticsearch" / part, self.account)
        # The log shipper watches only files that exist.
        for process in self.catalogue.processes():
            self.paths.log_of(process.name).touch(mode=0o600)
        self._erlang_cookie()

    def _erlang_cookie(self) -> None:
        cookie = self.paths.lib / "rabbitmq" / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o400)
            cookie.write_text(self.secrets.get("erlang_cookie"))
            self.account.own(cookie)

    def _apply(self, console: Console) -> tuple[bool, set[str]]:
        """Write the configuration. Returns whether the platform runs, and which processes must restart to read it."""
        before = self._read(self.renderer.process_compose_file)
        self.renderer.render(self.processes.values())
        after = self._read(self.renderer.process_compose_file)
        fingerprints = self.renderer.fingerprints(self.processes.values())
        applied = self.paths.run / "applied.json"
        known = json.loads(self._read(applied) or "{}")
        applied.write_text(json.dumps(fingerprints, indent=2))
        if not self.supervisor.is_running():
            return False, set()
        # Compare the names too: an interrupted `up` may have written the file without restarting the runner.
        if before != after or set(self.processes) != set(self.supervisor.states()):
            console.print("Settings or processes have changed: restarting everything.")
            self._stop()
            return False, set()
        return True, {name for name, digest in fingerprints.items() if known.get(name) != digest}

    def _stop_changed(self, names: set[str], console: Console) -> None:
        for name in sorted(names):
            if self.runner.pid(name):
                console.print(f"{name}: its configuration has changed, restarting it.")
                self.runner.stop(name)

    @staticmethod
    def _read(path: Path) -> str:
        return path.read_text() if path.exists() else ""

    def _start(self, wanted: Sequence[Process], console: Console) -> None:
        running = self.runner.list(with_memory=False)
        ready = {status.name for status in running if status.health in ("ready", "running", "done")}
        one_shots = OneShots(self.paths.lib / "one-shots")
        due = [process for process in wanted if not one_shots.is_current(process)]
        missing = [process for process in due if process.name not in ready]
        if missing:
            console.print(f"Starting {len(missing)} processes:")
        progress = _Progress(len(missing), console)

        def started(name: str, seconds: float) -> None:
            one_shots.succeeded(self.processes[name])
            progress.started(name, seconds)

        self._create_postgres_cluster(wanted)
        self.runner.bring_up(due, self._preparations(), started, threading.Event())

    def _create_postgres_cluster(self, wanted: Sequence[Process]) -> None:
        if any(process.name == "postgres" for process in wanted):
            binaries = Locations(self.paths).postgres_binaries
            database.create_cluster(self.paths.lib / "postgres", binaries, self.account, self.secrets)

    def _preparations(self) -> dict[str, Callable[[], None]]:
        templates = self.paths.observability / "elasticsearch" / "index-templates"
        return {
            "postgres": lambda: database.ensure_roles(
                self.settings.ports["POSTGRES_PORT"], self.catalogue, self.secrets
            ),
            "elasticsearch": lambda: search.ensure_templates(self.url("ELASTICSEARCH_PORT"), templates),
        }

    def _stop(self) -> int:
        running = self.runner.leftovers()
        if self.supervisor.is_running():
            self.runner.stop_all(self._phases())
            self.supervisor.shut_down()
        for process in self.runner.leftovers():
            process.kill()
        self._wait_for_none(seconds=3.0)
        return len(running)

    def _phases(self) -> list[tuple[list[str], float]]:
        stores = [name for name in STORES if name in self.processes]
        services = [p.name for p in self.processes.values() if p.group is not Group.BACKEND]
        pipeline = [name for name in self.processes if name not in (*services, *stores)]
        return [
            (services, SERVICES_STOP_SECONDS),
            (pipeline, PIPELINE_STOP_SECONDS),
            ([name for name in stores if name != "epmd"], STORES_STOP_SECONDS),
            (["epmd"], 1.0),
        ]

    def _wait_for_none(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while left := self.runner.leftovers():
            if time.monotonic() > deadline:
                raise PlatformError(
                    "these processes would not go",
                    detail=[f"{process.pid} {process.name()}" for process in left],
                    advice="kill -9 them by their pids",
                )
            time.sleep(0.1)


class _Progress:
    """Prints one line for each process that becomes ready."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._console = console
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._count = 0

    def started(self, name: str, seconds: float) -> None:
        with self._lock:
            self._count += 1
            elapsed = time.monotonic() - self._began
            line = f"  [{self._count}/{self._total}] {name} ready in {seconds:.1f} s ({elapsed:.0f} s)"
            self._console.print(line, highlight=False, markup=False)
