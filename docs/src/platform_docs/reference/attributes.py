"""Attributes of spans and log lines, from observability/attributes.yaml."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

SOURCE = ROOT / "observability" / "attributes.yaml"
LIBRARY = ROOT / "observability" / "django_telemetry" / "src" / "django_telemetry"
TEMPLATE = ROOT / "observability" / "elasticsearch" / "index-templates" / "logs-django.json"
PLACES = {
    "resource": "resource (every span)",
    "server": "server spans",
    "client": "client spans of calls",
    "database": "client spans of database statements",
    "producer": "producer spans",
    "consumer": "consumer spans",
    "work": "spans of other work",
    "event": "exception events of spans",
    "log": "log lines",
    "access": "access lines",
}
# The name spaces that attributes are in. Other dotted names in the source are modules, loggers and channel options.
_NAME = re.compile(
    r"(client|db|deployment|ecs|error|event|exception|http|log|messaging|network|peer|process|request|rpc|sampling|server"
    r"|service|span|trace|url|user_agent)(\.[a-z][a-z_]*)+"
)
# Read from the environment under this older name, never written.
_READ_ONLY = frozenset({"deployment.environment"})
_INTRODUCTION = """\
# Span and log attributes

Spans follow OpenTelemetry's stable semantic conventions, log lines the Elastic Common Schema. A test compares this
list with the library's source. Your own attributes are welcome on both; in log lines a name without a dot goes below
`labels.`.
"""


def documented() -> Mapping[str, Mapping[str, Any]]:
    """Attribute → type, where it is found, meaning."""
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(SOURCE.read_text())["attributes"]
    return found


def in_library() -> set[str]:
    """Attribute names that the library's source has as constants, also within the JSON of access lines."""
    return {name for path in LIBRARY.rglob("*.py") for name in _names(ast.parse(path.read_text()))} - _READ_ONLY


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _NAME.fullmatch(node.value):
                yield node.value
            yield from (found for found in re.findall(r'"([a-z_.]+)":', node.value) if _NAME.fullmatch(found))


def mapping() -> dict[str, str]:
    """Log field → its type in Elasticsearch."""
    template = json.loads(TEMPLATE.read_text())["template"]["mappings"]["properties"]
    return dict(_flat(template))


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _flat(field["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.get("type", "object")


def page() -> str:
    """The page."""
    stored = mapping()
    rows = [
        (code(name), entry["type"], ", ".join(PLACES[place] for place in entry["in"]), entry["meaning"])
        for name, entry in documented().items()
    ]
    fields = sorted(stored.items())
    return "\n".join(
        [
            _INTRODUCTION,
            table(("attribute", "type", "in", "meaning"), rows),
            "## Fields of log lines in Elasticsearch\n",
            "The index template `logs-django` maps these fields. Any other field is stored but not indexed.\n",
            table(("field", "type"), ((code(name), kind) for name, kind in fields)),
        ]
    )
