"""Reads catalogue.yaml and checks it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .model import (
    AUDIENCES,
    KINDS,
    PROTOCOLS,
    Catalogue,
    CatalogueError,
    Dependency,
    Event,
    External,
    Journey,
    Process,
    Service,
    Slo,
)


def default_path() -> Path:
    """services/catalogue/catalogue.yaml of this checkout."""
    return Path(__file__).resolve().parents[2] / "catalogue.yaml"


@cache
def load(path: Path | None = None) -> Catalogue:
    """Read and check the catalogue. Raises CatalogueError when it is inconsistent."""
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
