"""The list of all processes: backends, each service's processes from the catalogue, background traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from catalogue import Catalogue, Program, Service
from catalogue import Process as CatalogueProcess

from platformctl.errors import PlatformError
from platformctl.paths import Paths
from platformctl.run.backends import Backends
from platformctl.run.environment import HOST, ServiceEnvironment
from platformctl.run.model import Group, HttpProbe, Process
from platformctl.settings import Settings, port_variable


def build(
    paths: Paths, settings: Settings, catalogue: Catalogue, backends: Backends, environment: ServiceEnvironment
) -> dict[str, Process]:
    """Every process by name, backends first."""
    services = _Services(paths, settings, catalogue, environment)
    return {process.name: process for process in (*backends.all(), *services.all(), services.traffic())}


def select(processes: Mapping[str, Process], names: Iterable[str]) -> list[Process]:
    """The processes that `names` select, and their dependencies. A name is a process, service or group ("backends").

    Raises PlatformError for an unknown name.
    """
    wanted: dict[str, Process] = {}
    for name in names:
        found = [process for process in processes.values() if name in _names_of(process)]
        if not found:
            raise PlatformError(
                f"there is no process, service or group named {name!r}", advice=f"known are: {', '.join(processes)}"
            )
        for process in found:
            _add(process, processes, wanted)
    return [process for process in processes.values() if process.name in wanted]


def _names_of(process: Process) -> set[str]:
    return {process.name, process.service, process.group.value, f"{process.group.value}s"}


def _add(process: Process, processes: Mapping[str, Process], wanted: dict[str, Process]) -> None:
    for name in process.after:
        _add(processes[name], processes, wanted)
    wanted[process.name] = process


class _Services:
    def __init__(self, paths: Paths, settings: Settings, catalogue: Catalogue, environment: ServiceEnvironment) -> None:
        self._paths = paths
        self._settings = settings
        self._catalogue = catalogue
        self._environment = environment

    def all(self) -> Iterator[Process]:
        for program in self._catalogue.programs():
            yield self._program(program)
        for service in self._catalogue.services.values():
            yield from self._one_shots(service)
            for process in service.processes:
                yield self._long_running(service, process)

    def traffic(self) -> Process:
        """Background traffic by Locust. It waits for every web process, to avoid errors in its first minute."""
        product = self._catalogue.for_customers().values()
        urls = {
            service.url_variable: f"http://{HOST}:{self._settings.port(name)}"
            for name, service in self._catalogue.public().items()
        }
        return Process(
            name="traffic",
            group=Group.TRAFFIC,
            command=self._python("-m", "load.traffic"),
            environment=urls | {"TRAFFIC_USERS": str(self._settings.traffic_users), "PYTHONUNBUFFERED": "1"},
            working_dir=self._paths.root,
            after=tuple(process.name for service in product for process in service.processes),
        )

    def _one_shots(self, service: Service) -> Iterator[Process]:
        migrate = f"{service.name}-migrate"
        yield self._one_shot(service, migrate, ("migrate", "--no-input"), ("postgres",))
        if service.seed:
            yield self._one_shot(service, f"{service.name}-seed", (service.seed,), (migrate,))

    def _one_shot(self, service: Service, name: str, command: Sequence[str], after: tuple[str, ...]) -> Process:
        return Process(
            name=name,
            group=Group.SERVICE,
            service=service.name,
            command=self._python("manage.py", *command),
            environment=self._environment.of_command(service.name),
            working_dir=self._folder(service),
            after=after,
            one_shot=True,
            inputs=self._inputs(service),
        )

    def _inputs(self, service: Service) -> tuple[Path, ...]:
        """The service's migrations and commands, and the packages with migrations of their own."""
        folder = self._folder(service)
        parts = ("migrations", "management")
        own = [file for part in parts for file in sorted(folder.glob(f"*/{part}/**/*.py"))]
        return (self._paths.root / "requirements.lock", *own)

    def _long_running(self, service: Service, process: CatalogueProcess) -> Process:
        metrics = self._settings.port(process.name, "metrics")
        ports = {port_variable(process.name, "metrics"): metrics}
        probe = HttpProbe(metrics, "/metrics")
        url = ""
        command = self._python("manage.py", process.command or "")
        if process.kind == "web":
            port = self._settings.port(process.name)
            probe, url = HttpProbe(port, "/readyz"), f"http://{HOST}:{port}{service.front_page}"
            command = self._python("-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
        if process.http_port is not None or process.grpc_port is not None:
            ports[port_variable(process.name)] = self._settings.port(process.name)
        return Process(
            name=process.name,
            group=Group.SERVICE,
            service=service.name,
            command=command,
            environment=self._environment.of(process),
            working_dir=self._folder(service),
            probe=probe,
            after=self._needed_by(service),
            # gunicorn gives in-flight requests 25 s.
            stop_timeout=28,
            ports=ports,
            url=url,
        )

    def _needed_by(self, service: Service) -> tuple[str, ...]:
        """The dependencies of a service's readiness. Not other services, which are needed per request only."""
        one_shots = [f"{service.name}-migrate", *([f"{service.name}-seed"] if service.seed else [])]
        brokers = [self._catalogue.listener(edge) for edge in service.calls("amqp")]
        proxied = ["toxiproxy"] if any(edge.proxy_port for edge in service.depends_on) else []
        return (*one_shots, *brokers, *proxied)

    def _program(self, program: Program) -> Process:
        port = self._settings.port(program.name)
        return Process(
            name=program.name,
            group=Group.SERVICE,
            command=self._python("-m", program.module),
            environment={
                "HTTP_PORT": str(port),
                "ENVIRONMENT": self._settings.environment,
                "PYTHONUNBUFFERED": "1",
            },
            working_dir=self._folder(self._catalogue.services[program.part_of]),
            probe=HttpProbe(port, program.health),
            ports={port_variable(program.name): port},
        )

    def _folder(self, service: Service) -> Path:
        return self._paths.root / service.folder

    def _python(self, *arguments: str) -> tuple[str, ...]:
        return (str(self._paths.python), *arguments)
