"""The service catalogue: the schema from catalogue.schema.json, the content from catalogue.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalogue import Catalogue, Slo, load, schema

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


def _limit(slo: Slo) -> str:
    return f" within {slo.threshold_seconds:g} s" if slo.threshold_seconds else ""


def _schema() -> Iterator[str]:
    yield "## Schema\n"
    definitions = schema()["$defs"]
    for title, fields in _objects(definitions):
        yield f"### {title}\n"
        rows = [
            (
                code(name),
                _allowed(definitions, field),
                "required" if name in fields.get("required", ()) else "",
                field.get("description", ""),
            )
            for name, field in fields["properties"].items()
        ]
        yield table(("field", "allowed", "", "meaning"), rows)


def _objects(definitions: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Title and definition of every object that has fields, those inside others too."""
    for name, definition in definitions.items():
        if definition.get("type") != "object":
            continue
        yield f"`{name}`", definition
        for field, inner in definition["properties"].items():
            nested = inner if "properties" in inner else inner.get("additionalProperties")
            if isinstance(nested, Mapping) and "properties" in nested:
                yield f"`{name}.{field}`", nested


def _allowed(definitions: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return code(name) if "properties" in definitions[name] else _allowed(definitions, definitions[name])
    if "enum" in field:
        return ", ".join(code(value) for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_allowed(definitions, field['items'])}"
    if field["type"] == "object":
        return "mapping"
    if "minimum" in field:
        return f"{field['type']}, {field['minimum']}" + (
            f" to {field['maximum']}" if "maximum" in field else " or more"
        )
    return code(field["pattern"]) if "pattern" in field else str(field["type"])
