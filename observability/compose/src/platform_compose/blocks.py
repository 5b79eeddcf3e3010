"""The parts of docker-compose.yml that repeat for each service.

Templates in observability/compose/blocks are filled from the catalogue and written between markers. Additional settings
of a service are in services/<name>/compose.yaml.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml
from catalogue import Catalogue, Dependency, Process, Service
from platformctl.dev.blocks import filled
from platformctl.errors import PlatformError
from platformctl.run.environment import JWT_AUDIENCE
from platformctl.settings import port_variable

from platform_compose import hosts, secrets

BLOCKS = ("definitions", "services")
ASSETS = "/app/assets"
MAIL_SERVER = "smtp://mailpit:1025"
ENDED, HEALTHY = "service_completed_successfully", "service_healthy"
OVERLAY = "compose.yaml"
OVERLAY_KEYS = frozenset({"environment", "volumes"})


@dataclass(frozen=True)
class Step:
    """A one-shot command, run after another container has ended or is healthy."""

    name: str
    command: str
    after: str
    shows_password: bool = False


@dataclass(frozen=True)
class Running:
    """A process in its container."""

    process: Process
    networks: tuple[str, ...]
    # The variable that changes its published port.
    port_variable: str


@dataclass(frozen=True)
class Overlay:
    """The additions of a service's compose.yaml to all its containers."""

    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()


def updated(text: str, root: Path, services: Catalogue) -> str:
    """docker-compose.yml with current blocks. Raises PlatformError."""
    for name in BLOCKS:
        begin, end = f"# >>> generated: {name}", f"# <<< generated: {name}"
        text = filled(text, begin, end, _render(root, name, services))
    return text


def _render(root: Path, name: str, services: Catalogue) -> str:
    environment = jinja2.Environment(  # noqa: S701 - this is YAML, not HTML
        loader=jinja2.FileSystemLoader(root / "observability" / "compose" / "blocks"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["scalar"] = scalar
    return environment.get_template(f"{name}.yml.j2").render(_values(root, services))


def _values(root: Path, services: Catalogue) -> dict[str, Any]:
    customers = services.for_customers().values()
    return {
        "services": [_service(services, service, overlay(root, service)) for service in services.services.values()],
        "programs": services.programs(),
        "front_doors": {
            each.url_variable: f"http://{name}:{each.web().http_port}" for name, each in services.public().items()
        },
        "product": [process.name for service in customers for process in service.processes],
        "readers": secrets.reader_names(services),
    }


def _service(services: Catalogue, service: Service, own: Overlay) -> dict[str, Any]:
    steps = list(_steps(service))
    return {
        "name": service.name,
        "target": "service-with-assets" if service.assets else "service",
        "environment": {**environment(services, service), **own.environment},
        "volumes": own.volumes,
        "steps": steps,
        "processes": [
            Running(process, networks(service, process), port_variable(process.name)) for process in service.processes
        ],
        "needs": _needs(services, service, steps),
    }


def _steps(service: Service) -> Iterator[Step]:
    previous = "postgres-setup"
    for suffix, command in (
        ("migrate", "migrate, --no-input"),
        ("seed", service.seed),
        ("first-user", service.first_user and f"{service.first_user}, --password-file, {secrets.FIRST_PASSWORD}"),
    ):
        if command:
            name = f"{service.name}-{suffix}"
            yield Step(name, command, previous, shows_password=suffix == "first-user")
            previous = name


def _needs(services: Catalogue, service: Service, steps: list[Step]) -> dict[str, str]:
    """The dependencies of the service's processes. Other services and telemetry are not among them."""
    needed = {steps[-1].name: ENDED}
    needed |= {services.listener(edge): HEALTHY for edge in service.calls("amqp")}
    if any(edge.proxy_port for edge in service.depends_on):
        needed[hosts.TOXIPROXY] = HEALTHY
    return needed


def environment(services: Catalogue, service: Service) -> dict[str, str]:
    """The variables that all containers of a service get, without secrets."""
    found = {
        "OTEL_SERVICE_NAME": service.name,
        "HTTP_PORT": str(service.web().http_port),
        "DATABASE_POOL_MAX_SIZE": str(service.database_pool),
        "ALLOWED_HOSTS": f"{service.name},{hosts.TOXIPROXY},localhost,127.0.0.1",
    }
    if issuer := services.token_issuer(service):
        found |= {"JWT_ISSUER": issuer.name, "JWT_AUDIENCE": JWT_AUDIENCE}
    found |= {edge.variable: _address(services, edge) for edge in service.calls("http", "grpc")}
    if service.sends_mail:
        found["EMAIL_URL"] = f"${{EMAIL_URL:-{MAIL_SERVER}}}"
    if service.assets:
        found[service.assets] = ASSETS
    return found


def _address(services: Catalogue, edge: Dependency) -> str:
    """Toxiproxy's address if the catalogue has a proxy for the edge, so that faults can be injected there."""
    if edge.proxy_port is not None:
        address = f"{hosts.TOXIPROXY}:{edge.proxy_port}"
    else:
        address = f"{services.listener(edge)}:{_port(services, edge)}"
    return address if edge.protocol == "grpc" else f"http://{address}"


def _port(services: Catalogue, edge: Dependency) -> int:
    external = services.external.get(edge.callee)
    chosen = hosts.default_settings(services)
    if external is not None and external.backend is not None:
        return chosen.ports[external.backend.port]
    return chosen.port(services.listener(edge))


def networks(service: Service, process: Process) -> tuple[str, ...]:
    """The networks of a process's container. Services for operators reach no other service."""
    joined = {
        "edge": process.kind == "web",
        "services": service.audience == "customers",
        "data": bool(service.calls("sql", "amqp")),
        "telemetry": True,
        "search": any(edge.callee == secrets.SEARCH for edge in service.depends_on),
    }
    return tuple(name for name, is_needed in joined.items() if is_needed)


def overlay(root: Path, service: Service) -> Overlay:
    """Read a service's compose.yaml. Raises PlatformError for anything but environment and volumes."""
    file = root / service.folder / OVERLAY
    if not file.exists():
        return Overlay()
    document = yaml.safe_load(file.read_text()) or {}
    if unknown := set(document) - OVERLAY_KEYS:
        raise PlatformError(f"{service.folder}/{OVERLAY}: {', '.join(sorted(unknown))}; allowed: environment, volumes")
    return Overlay(document.get("environment", {}), tuple(document.get("volumes", ())))


def scalar(value: str) -> str:
    """A string as a YAML scalar, quoted only if it would be parsed as another type."""
    return value if yaml.safe_load(value) == value else json.dumps(value)
