"""Checks that a schema can't express: names that must exist, be unique, or match each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .model import SERVED_BY, Catalogue, Dependency, Service


def problems(catalogue: Catalogue) -> Iterator[str]:
    """Return one line per inconsistency, beginning with the wrong entry."""
    for service in catalogue.services.values():
        yield from _processes(service)
        yield from _service(service)
    for edge in catalogue.edges():
        yield from _edge(catalogue, edge)
    yield from _events(catalogue)
    yield from _references(catalogue)
    yield from _twice(catalogue)


def _processes(service: Service) -> Iterator[str]:
    web = [process.name for process in service.processes if process.kind == "web"]
    if web != [service.name]:
        yield f"services.{service.name}.processes: one web process of the service's name is needed, found {web}"
    for process in service.processes:
        where = f"services.{service.name}.processes.{process.name}"
        if process.kind != "web" and not process.name.startswith(f"{service.name}-"):
            yield f"{where}: the name must begin with {service.name}-"
        for field, kind in (("http_port", "web"), ("grpc_port", "grpc")):
            if (getattr(process, field) is not None) != (process.kind == kind):
                yield f"{where}.{field}: a process of kind {kind} has one, any other has none"
        if (process.command is None) != (process.kind == "web"):
            yield f"{where}.command: a process of kind grpc or worker has one, a web process has none"


def _service(service: Service) -> Iterator[str]:
    if not service.calls("sql"):
        yield f"services.{service.name}.depends_on: a dependency by sql is needed for its database"
    variables = [edge.variable for edge in service.depends_on]
    for variable in _repeated(variables):
        yield f"services.{service.name}.depends_on: two dependencies have the variable {variable}"
    for name in _repeated(edge.proxy_name for edge in service.depends_on if edge.proxy_port is not None):
        yield f"services.{service.name}.depends_on: two proxies are named {name}"
    if service.audience == "operators" and service.public:
        yield f"services.{service.name}.public: a service for operators has no public API"


def _edge(catalogue: Catalogue, edge: Dependency) -> Iterator[str]:
    where = f"services.{edge.caller}.depends_on: {edge.callee}"
    service, external = catalogue.services.get(edge.callee), catalogue.external.get(edge.callee)
    if service is None and external is None:
        yield f"{where} is not in the catalogue"
        return
    if service is not None:
        if service.audience == "operators":
            yield f"{where} is for operators only"
        if SERVED_BY.get(edge.protocol) not in {process.kind for process in service.processes}:
            yield f"{where} has no process that answers {edge.protocol}"
    elif edge.token:
        yield f"{where}: only services of this catalogue take service tokens"
    if external is not None and external.program is not None and edge.protocol != "http":
        yield f"{where} is a program that answers http only, not {edge.protocol}"
    if edge.proxy_port is not None and (edge.protocol not in SERVED_BY or (external is not None and external.backend)):
        yield f"{where}: only calls by http or grpc to services and programs have a proxy"


def _events(catalogue: Catalogue) -> Iterator[str]:
    publishers = {event: service.name for service in catalogue.services.values() for event in service.publishes}
    for service in catalogue.services.values():
        queues = [queue for queue in catalogue.queues.values() if queue.consumer == service.name]
        if (service.publishes or queues) and not service.calls("amqp"):
            yield f"services.{service.name}.depends_on: a dependency by amqp is needed for its events"
        for event in service.publishes:
            if publishers[event] != service.name:
                yield f"services.{service.name}.publishes: {event} is published by {publishers[event]} too"
        for event in _repeated(event for queue in queues for event in queue.events):
            yield f"services.{service.name}.consumes: {event} is in two queues"
        for queue in queues:
            where = f"services.{service.name}.consumes.{queue.name}"
            # Alerts and dashboards derive a queue's owner from its name.
            if not queue.name.startswith(f"{service.name}."):
                yield f"{where}: the queue's name must begin with {service.name}."
            yield from (f"{where}: no service publishes {event}" for event in queue.events if event not in publishers)


def _references(catalogue: Catalogue) -> Iterator[str]:
    for program in catalogue.programs():
        if program.part_of not in catalogue.services:
            yield f"external: {program.name} is part of {program.part_of}, which is not a service"
    for journey in catalogue.journeys.values():
        service = catalogue.services.get(journey.service)
        if service is None:
            yield f"journeys.{journey.name}.service: {journey.service} is not a service"
            continue
        for event in journey.publishes:
            if event not in service.publishes:
                yield f"journeys.{journey.name}.publishes: {service.name} does not publish {event}"


def _twice(catalogue: Catalogue) -> Iterator[str]:
    """Find values that two entries must not share."""
    services = catalogue.services.values()
    for field in ("app", "database"):
        for value in _repeated(getattr(service, field) for service in services):
            yield f"services: two have the {field} {value}"
    for field in ("issues_tokens", "alert_webhook"):
        having = [service.name for service in services if getattr(service, field)]
        if len(having) > 1:
            yield f"services: only one may have {field}, found {', '.join(having)}"
    names = [process.name for process in catalogue.processes()] + [program.name for program in catalogue.programs()]
    for name in _repeated(names):
        yield f"two processes are named {name}"
    for name in catalogue.services.keys() & catalogue.external.keys():
        yield f"{name} is a service and external"
    owners: dict[int, str] = {}
    for owner, port in _ports(catalogue):
        if port in owners:
            yield f"port {port} belongs to both {owners[port]} and {owner}"
        owners[port] = owner


def _ports(catalogue: Catalogue) -> Iterator[tuple[str, int]]:
    for process in catalogue.processes():
        for port in (process.http_port, process.grpc_port, process.metrics_port):
            if port is not None:
                yield process.name, port
    for edge in catalogue.proxied_edges():
        if edge.proxy_port is not None:
            yield edge.proxy_name, edge.proxy_port
    for program in catalogue.programs():
        yield program.name, program.http_port


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
