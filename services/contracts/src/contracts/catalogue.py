"""The typed view of services/catalogue.yaml, the one list of what the platform consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

Protocol = Literal["http", "grpc", "amqp", "sql"]
ProcessKind = Literal["web", "grpc", "worker"]
PROTOCOLS = ("http", "grpc", "amqp", "sql")
KINDS = ("web", "grpc", "worker")
Audience = Literal["customers", "operators"]
AUDIENCES = ("customers", "operators")


class CatalogueError(ValueError):
    """The catalogue contradicts itself; the message says where."""


@dataclass(frozen=True)
class Process:
    """One process of a service. Ports are the defaults; `command` is a manage.py command, None for the web process."""

    name: str
    service: str
    kind: ProcessKind
    metrics_port: int
    http_port: int | None = None
    grpc_port: int | None = None
    command: str | None = None


@dataclass(frozen=True)
class Dependency:
    """A directed edge: `caller` calls `callee`. `proxy_port` is where Toxiproxy listens for it, where it does."""

    caller: str
    callee: str
    protocol: Protocol
    proxy_port: int | None = None

    @property
    def proxy_name(self) -> str:
        """The name of its Toxiproxy proxy."""
        return f"{self.caller}-{self.callee}"


@dataclass(frozen=True)
class Service:
    """A service of this platform. `audience` says whom it is for: customers, or the people who operate it."""

    name: str
    title: str
    description: str
    owner: str
    app: str
    database: str
    processes: tuple[Process, ...]
    depends_on: tuple[Dependency, ...]
    audience: Audience = "customers"


@dataclass(frozen=True)
class External:
    """Something that services call but that isn't instrumented."""

    name: str
    title: str
    description: str
    process_name: str | None = None
    http_port: int | None = None


@dataclass(frozen=True)
class Event:
    """An event type, who publishes it, and which queue each consumer reads it from."""

    type: str
    publisher: str
    consumers: Mapping[str, str]


@dataclass(frozen=True)
class Slo:
    """An objective (a share, such as 0.995) over a window; latency and delay carry a threshold."""

    kind: str
    objective: float
    window_days: int
    threshold_seconds: float | None = None


@dataclass(frozen=True)
class Journey:
    """What a user does; carries the SLOs."""

    name: str
    title: str
    service: str
    slos: tuple[Slo, ...]
    route: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """Everything in services/catalogue.yaml."""

    services: Mapping[str, Service]
    external: Mapping[str, External]
    events: tuple[Event, ...]
    journeys: Mapping[str, Journey]

    def processes(self) -> Iterator[Process]:
        """Every process of every service."""
        for service in self.services.values():
            yield from service.processes

    def for_customers(self) -> dict[str, Service]:
        """The services that are the product. The others look at it, and nothing of it depends on them."""
        return {name: service for name, service in self.services.items() if service.audience == "customers"}

    def for_operators(self) -> dict[str, Service]:
        """The services by which the platform is operated."""
        return {name: service for name, service in self.services.items() if service.audience == "operators"}

    def edges(self) -> Iterator[Dependency]:
        """Every direct call: caller, callee, protocol."""
        for service in self.services.values():
            yield from service.depends_on

    def proxied_edges(self) -> Iterator[Dependency]:
        """The edges that go through Toxiproxy."""
        return (edge for edge in self.edges() if edge.proxy_port is not None)

    def event_edges(self) -> set[tuple[str, str]]:
        """(publisher, consumer) for every event: the edges that go through the broker."""
        return {(event.publisher, consumer) for event in self.events for consumer in event.consumers}

    def upstream_of(self, name: str) -> set[str]:
        """Every service that reaches `name` through calls, over any number of hops."""
        found: set[str] = set()
        frontier = {name}
        while frontier:
            callers = {edge.caller for edge in self.edges() if edge.callee in frontier}
            frontier = callers - found
            found |= callers
        return found


def default_path() -> Path:
    """services/catalogue.yaml of this checkout."""
    return Path(__file__).resolve().parents[3] / "catalogue.yaml"


@cache
def load(path: Path | None = None) -> Catalogue:
    """Read and check the catalogue. Raises CatalogueError when it contradicts itself."""
    document = yaml.safe_load((path or default_path()).read_text())
    catalogue = Catalogue(
        services={name: _service(name, body) for name, body in document["services"].items()},
        external={name: _external(name, body) for name, body in document["external"].items()},
        events=tuple(Event(**event) for event in document["events"]),
        journeys={name: _journey(name, body) for name, body in document["journeys"].items()},
    )
    _check(catalogue)
    return catalogue


def _service(name: str, body: dict[str, Any]) -> Service:
    return Service(
        name=name,
        title=body["title"],
        description=body["description"],
        owner=body["owner"],
        app=body["app"],
        database=body["database"],
        processes=tuple(Process(name=key, service=name, **value) for key, value in body["processes"].items()),
        depends_on=tuple(
            Dependency(name, edge["service"], edge["protocol"], edge.get("proxy_port")) for edge in body["depends_on"]
        ),
        audience=body.get("audience", "customers"),
    )


def _external(name: str, body: dict[str, Any]) -> External:
    process = body.get("process", {})
    return External(name, body["title"], body["description"], process.get("name"), process.get("http_port"))


def _journey(name: str, body: dict[str, Any]) -> Journey:
    slos = tuple(Slo(kind=kind, **slo) for kind, slo in body["slos"].items())
    return Journey(name, body["title"], body["service"], slos, body.get("route"), body.get("method"))


def _check(catalogue: Catalogue) -> None:
    known = set(catalogue.services) | set(catalogue.external)
    for edge in catalogue.edges():
        if edge.callee not in known:
            raise CatalogueError(f"{edge.caller} depends on {edge.callee}, which is not in the catalogue")
        if edge.protocol not in PROTOCOLS:
            raise CatalogueError(f"{edge.caller} → {edge.callee}: protocol {edge.protocol}, allowed: {PROTOCOLS}")
    for name, each in catalogue.services.items():
        if each.audience not in AUDIENCES:
            raise CatalogueError(f"{name}: audience {each.audience}, allowed: {AUDIENCES}")
    for edge in catalogue.edges():
        if edge.callee in catalogue.for_operators():
            raise CatalogueError(f"{edge.caller} depends on {edge.callee}, which is for operators only")
    ports: dict[int, str] = {}
    for owner, port in _ports(catalogue):
        if port in ports:
            raise CatalogueError(f"port {port} belongs to both {ports[port]} and {owner}")
        ports[port] = owner
    for process in catalogue.processes():
        if process.kind not in KINDS:
            raise CatalogueError(f"{process.name}: kind {process.kind}, allowed: {KINDS}")
    for event in catalogue.events:
        for service in (event.publisher, *event.consumers):
            if service not in catalogue.services:
                raise CatalogueError(f"event {event.type} names {service}, which is not a service")
    for journey in catalogue.journeys.values():
        if journey.service not in catalogue.services:
            raise CatalogueError(f"journey {journey.name} names {journey.service}, which is not a service")


def _ports(catalogue: Catalogue) -> Iterator[tuple[str, int]]:
    for process in catalogue.processes():
        for port in (process.http_port, process.grpc_port, process.metrics_port):
            if port is not None:
                yield process.name, port
    for edge in catalogue.proxied_edges():
        if edge.proxy_port is not None:
            yield edge.proxy_name, edge.proxy_port
    for external in catalogue.external.values():
        if external.http_port is not None:
            yield external.name, external.http_port
