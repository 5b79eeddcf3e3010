"""The service catalogue: the schema from its types, the content from catalogue.yaml."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator

from catalogue import Catalogue, load, model

from platform_docs.reference.tables import code, table

_INTRODUCTION = """\
# Service catalogue

`services/catalogue/catalogue.yaml` is the source of truth for services, processes, ports, edges, events, journeys and
objectives. Scrape targets, proxies, alert and inhibition rules, dashboards and the service map are generated from it or
tested against it. An inconsistent file is refused with the entry that is wrong.
"""


def page() -> str:
    """The page."""
    known = load()
    return "\n".join(
        [
            _INTRODUCTION,
            "## Content\n",
            _services(known),
            _graph(known),
            _processes(known),
            _journeys(known),
            *_schema(),
        ]
    )


def _services(known: Catalogue) -> str:
    rows = [
        *((code(each.name), each.description, each.owner, str(each.audience)) for each in known.services.values()),
        *((code(each.name), each.description, "external", "") for each in known.external.values()),
    ]
    return "### Services and dependencies\n\n" + table(("name", "description", "owner", "for"), rows)


def _graph(known: Catalogue) -> str:
    """The calls of the services that are the product; databases are left out, as each service has one."""
    calls = [
        f"  {_node(edge.caller)} -- {edge.protocol} --> {_node(edge.callee)}"
        for service in known.for_customers().values()
        for edge in service.depends_on
        if edge.protocol in ("http", "grpc")
    ]
    events = [
        f"  {_node(event.publisher)} -. {event.type} .-> {_node(consumer)}"
        for event in known.events
        for consumer in event.consumers
    ]
    return "\n".join(["```mermaid", "flowchart LR", *calls, *events, "```", ""])


def _node(name: str) -> str:
    return f"{name.replace('-', '_')}[{name}]"


def _processes(known: Catalogue) -> str:
    rows = [
        (
            code(process.name),
            code(process.service),
            process.kind,
            str(process.http_port or ""),
            str(process.grpc_port or ""),
            str(process.metrics_port),
        )
        for process in known.processes()
    ]
    return "### Processes and ports\n\n" + table(("process", "service", "kind", "HTTP", "gRPC", "metrics"), rows)


def _journeys(known: Catalogue) -> str:
    rows = [
        (
            journey.title,
            code(journey.service),
            code(f"{journey.method} {journey.route}") if journey.route else "",
            slo.kind,
            f"{slo.objective:.1%}{_limit(slo)} over {slo.window_days} days",
        )
        for journey in known.journeys.values()
        for slo in journey.slos
    ]
    return "### Journeys and their objectives\n\n" + table(("journey", "service", "route", "SLO", "objective"), rows)


def _limit(slo: model.Slo) -> str:
    return f" within {slo.threshold_seconds:g} s" if slo.threshold_seconds else ""


def _schema() -> Iterator[str]:
    yield "## Schema\n"
    for kind in vars(model).values():
        if not isinstance(kind, type) or not dataclasses.is_dataclass(kind) or kind is Catalogue:
            continue
        yield f"### {kind.__name__}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n"
        rows = [
            (code(field.name), code(_type(field.type)), "required" if _is_required(field) else "optional")
            for field in dataclasses.fields(kind)
        ]
        yield table(("field", "type", ""), rows)


def _type(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _is_required(field: dataclasses.Field[object]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
