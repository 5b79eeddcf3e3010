"""The content of a catalogue, as frozen types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http", "grpc", "amqp", "sql"]
ProcessKind = Literal["web", "grpc", "worker"]
Audience = Literal["customers", "operators"]

# Default limit of a process: the memory limit of its container, in MiB.
MEMORY_MIB: Mapping[ProcessKind, int] = {"web": 160, "grpc": 112, "worker": 112}

# The kind of process that serves a protocol.
SERVED_BY: Mapping[Protocol, ProcessKind] = {"http": "web", "grpc": "grpc"}


class CatalogueError(ValueError):
    """The catalogue is inconsistent; the message names every wrong entry."""


def url_variable(name: str) -> str:
    """Return the variable that holds the URL of a service or an external system, such as CARD_PROVIDER_URL."""
    return f"{name.upper().replace('-', '_')}_URL"


@dataclass(frozen=True)
class Process:
    """One process of a service. Ports are the defaults; `command` is a manage.py command, None for the web process."""

    name: str
    service: str
    kind: ProcessKind
    metrics_port: int
    memory_mib: int
    http_port: int | None = None
    grpc_port: int | None = None
    command: str | None = None


@dataclass(frozen=True)
class Dependency:
    """A directed edge: `caller` calls `callee`.

    The caller reads the callee's address from `variable`. `proxy_port` is where Toxiproxy listens for the edge, None
    without a proxy. `token`: the caller sends its service token; otherwise it uses the public API only.
    """

    caller: str
    callee: str
    protocol: Protocol
    proxy_port: int | None = None
    variable: str = ""
    token: bool = False

    @property
    def proxy_name(self) -> str:
        """Return the name of its Toxiproxy proxy."""
        return f"{self.caller}-{self.callee}"


@dataclass(frozen=True)
class Service:
    """A service of this platform. `audience` is its user group: customers, or operators.

    `seed` and `first_user` are manage.py commands that run once after the migrations; the second prints a password.
    `alert_webhook` is the path that receives Alertmanager's notifications, `assets` the variable for the folder of its
    pages' assets (package-lock.json in its folder).
    """

    name: str
    title: str
    description: str
    owner: str
    app: str
    database: str
    processes: tuple[Process, ...]
    depends_on: tuple[Dependency, ...]
    audience: Audience = "customers"
    public: bool = False
    front_page: str = "/api/docs/"
    database_pool: int = 8
    seed: str | None = None
    first_user: str | None = None
    issues_tokens: bool = False
    sends_mail: bool = False
    alert_webhook: str | None = None
    assets: str | None = None
    publishes: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Return its code folder, relative to the repository."""
        return f"services/{self.name}"

    @property
    def url_variable(self) -> str:
        """Return the variable that holds its URL for callers."""
        return url_variable(self.name)

    def web(self) -> Process:
        """Return the process that serves HTTP; it has the service's name."""
        return next(process for process in self.processes if process.kind == "web")

    def calls(self, *protocols: Protocol) -> tuple[Dependency, ...]:
        """Return its dependencies by one of these protocols."""
        return tuple(edge for edge in self.depends_on if edge.protocol in protocols)


@dataclass(frozen=True)
class Program:
    """A program of ours that simulates an external system: `python -m module` in a service's folder and image."""

    name: str
    http_port: int
    module: str
    part_of: str
    health: str


@dataclass(frozen=True)
class Backend:
    """A server of the platform: the name of its process (and container), and the variable of its port."""

    process: str
    port: str


@dataclass(frozen=True)
class External:
    """A dependency of services that isn't instrumented: a program of ours or a backend."""

    name: str
    title: str
    description: str
    program: Program | None = None
    backend: Backend | None = None

    @property
    def listener(self) -> str:
        """Return the process that serves it."""
        return self.program.name if self.program else self.backend.process if self.backend else self.name


@dataclass(frozen=True)
class Queue:
    """A queue of events: its consumer, its event types, and the routing keys of its bindings."""

    name: str
    consumer: str
    events: tuple[str, ...]
    bindings: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """An event type, its publisher, and the queue that each consumer reads it from."""

    type: str
    publisher: str
    consumers: Mapping[str, str]


@dataclass(frozen=True)
class Slo:
    """An objective (a ratio, such as 0.995) over a window; latency and delay have a threshold."""

    kind: str
    objective: float
    window_days: int
    threshold_seconds: float | None = None


@dataclass(frozen=True)
class Journey:
    """A user journey with its SLOs. `publishes` are the events that follow from its success."""

    name: str
    title: str
    service: str
    slos: tuple[Slo, ...]
    route: str | None = None
    method: str | None = None
    publishes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """Everything in catalogue.yaml. Its dependency graph: `catalogue.graph`."""

    services: Mapping[str, Service]
    external: Mapping[str, External]
    queues: Mapping[str, Queue]
    journeys: Mapping[str, Journey]

    @property
    def events(self) -> tuple[Event, ...]:
        """Return every event type, by publisher."""
        return tuple(
            Event(event, service.name, {q.consumer: q.name for q in self.queues.values() if event in q.events})
            for service in self.services.values()
            for event in service.publishes
        )

    def processes(self) -> Iterator[Process]:
        """Return every process of every service."""
        for service in self.services.values():
            yield from service.processes

    def programs(self) -> tuple[Program, ...]:
        """Return every program of ours that simulates an external system."""
        return tuple(external.program for external in self.external.values() if external.program)

    def for_customers(self) -> dict[str, Service]:
        """Return the services of the product. The others observe it, and the product doesn't depend on them."""
        return {name: service for name, service in self.services.items() if service.audience == "customers"}

    def for_operators(self) -> dict[str, Service]:
        """Return the services that operate the platform."""
        return {name: service for name, service in self.services.items() if service.audience == "operators"}

    def public(self) -> dict[str, Service]:
        """Return the services with a public API."""
        return {name: service for name, service in self.services.items() if service.public}

    def token_issuer(self, service: Service) -> Service | None:
        """Return the issuer of the access tokens that a service issues or verifies; None if it handles none.

        A service verifies them with the issuer's public keys, so it depends on it.
        """
        issuer = next((each for each in self.services.values() if each.issues_tokens), None)
        seen_by = {service.name, *(edge.callee for edge in service.depends_on)}
        return issuer if issuer is not None and issuer.name in seen_by else None

    def alert_receiver(self) -> Service | None:
        """Return the service that receives Alertmanager's notifications."""
        return next((service for service in self.services.values() if service.alert_webhook), None)

    def edges(self) -> Iterator[Dependency]:
        """Return every direct call: caller, callee, protocol."""
        for service in self.services.values():
            yield from service.depends_on

    def proxied_edges(self) -> Iterator[Dependency]:
        """Return the edges that pass through Toxiproxy."""
        return (edge for edge in self.edges() if edge.proxy_port is not None)

    def listener(self, edge: Dependency) -> str:
        """Return the process that serves an edge; its container has the same name."""
        external = self.external.get(edge.callee)
        if external is not None:
            return external.listener
        kind = SERVED_BY[edge.protocol]
        return next(process.name for process in self.services[edge.callee].processes if process.kind == kind)

    def internal_callers(self, name: str) -> tuple[str, ...]:
        """Return the callers of a service's internal API: those with a token, and operators if there is such an API."""
        callers = dict.fromkeys(edge.caller for edge in self.edges() if edge.callee == name and edge.token)
        return (*callers, *self.for_operators()) if callers else ()

    def event_edges(self) -> set[tuple[str, str]]:
        """Return (publisher, consumer) for every event: the edges that pass through the broker."""
        return {(event.publisher, consumer) for event in self.events for consumer in event.consumers}
