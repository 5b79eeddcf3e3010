"""Reads catalogue.yaml and checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from .consistency import problems
from .model import (
    MEMORY_MIB,
    Backend,
    Catalogue,
    CatalogueError,
    Dependency,
    External,
    Journey,
    Process,
    Program,
    Protocol,
    Queue,
    Service,
    Slo,
    url_variable,
)

SCHEMA = "catalogue.schema.json"


def default_path() -> Path:
    """Return services/catalogue/catalogue.yaml of this checkout."""
    return Path(__file__).resolve().parents[2] / "catalogue.yaml"


@cache
def load(path: Path | None = None) -> Catalogue:
    """Read and check the catalogue. Raises CatalogueError with everything that is wrong."""
    file = path or default_path()
    try:
        document = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise CatalogueError(f"{file}: not YAML: {error}") from None
    _refuse(file, _malformed(document))
    catalogue = _catalogue(document)
    _refuse(file, problems(catalogue))
    return catalogue


def _refuse(file: Path, found: Iterator[str]) -> None:
    if lines := sorted(set(found)):
        raise CatalogueError("\n".join([f"{file} is wrong:", *(f"  {line}" for line in lines)]))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of catalogue.yaml."""
    content: dict[str, Any] = json.loads(resources.files(__package__).joinpath(SCHEMA).read_text())
    return content


def _malformed(document: Any) -> Iterator[str]:
    """Find violations of the document's schema."""
    for error in jsonschema.Draft202012Validator(schema()).iter_errors(document):
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        yield f"{where}: {error.message}"


def _catalogue(document: Mapping[str, Any]) -> Catalogue:
    services = document["services"]
    queues = [
        Queue(queue, name, tuple(value["events"]), tuple(value.get("bindings", value["events"])))
        for name, body in services.items()
        for queue, value in body.get("consumes", {}).items()
    ]
    return Catalogue(
        services={name: _service(name, body, set(services)) for name, body in services.items()},
        external={name: _external(name, body) for name, body in document["external"].items()},
        queues={queue.name: queue for queue in queues},
        journeys={name: _journey(name, body) for name, body in document["journeys"].items()},
    )


def _service(name: str, body: Mapping[str, Any], services: set[str]) -> Service:
    given = {key: value for key, value in body.items() if key not in ("processes", "depends_on", "consumes")}
    return Service(
        **{**given, "publishes": tuple(body.get("publishes", ()))},
        name=name,
        processes=tuple(_process(key, name, value) for key, value in body["processes"].items()),
        depends_on=tuple(_dependency(name, edge, services) for edge in body["depends_on"]),
    )


def _process(name: str, service: str, body: Mapping[str, Any]) -> Process:
    return Process(**{"memory_mib": MEMORY_MIB[body["kind"]], **body}, name=name, service=service)


def _dependency(caller: str, body: Mapping[str, Any], services: set[str]) -> Dependency:
    callee, protocol = body["service"], body["protocol"]
    return Dependency(
        caller,
        callee,
        protocol,
        body.get("proxy_port"),
        body.get("variable") or _variable(callee, protocol),
        body.get("token", callee in services),
    )


def _variable(callee: str, protocol: Protocol) -> str:
    if protocol == "sql":
        return "DATABASE_URL"
    url = url_variable(callee)
    return f"{url.removesuffix('_URL')}_GRPC_TARGET" if protocol == "grpc" else url


def _external(name: str, body: Mapping[str, Any]) -> External:
    program, backend = body.get("program"), body.get("backend")
    return External(
        name,
        body["title"],
        body["description"],
        Program(**program) if program else None,
        Backend(**backend) if backend else None,
    )


def _journey(name: str, body: Mapping[str, Any]) -> Journey:
    slos = tuple(Slo(kind=kind, **slo) for kind, slo in body["slos"].items())
    publishes = tuple(body.get("publishes", ()))
    return Journey(name, body["title"], body["service"], slos, body.get("route"), body.get("method"), publishes)
