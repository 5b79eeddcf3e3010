"""What a catalogue holds, as frozen types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http", "grpc", "amqp", "sql"]
ProcessKind = Literal["web", "grpc", "worker"]
PROTOCOLS = ("http", "grpc", "amqp", "sql")
KINDS = ("web", "grpc", "worker")
Audience = Literal["customers", "operators"]
AUDIENCES = ("customers", "operators")


class CatalogueError(ValueError):
    """The catalogue is inconsistent; the message names the entry."""


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
    """Everything in catalogue.yaml. Its dependency graph: `catalogue.graph`."""

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
