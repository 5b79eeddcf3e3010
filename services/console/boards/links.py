"""Translates a panel's links to pages of this console.

The dashboards' files refer to other programs by variables (`${console_url}`, `${jaeger_url}`, `${kibana_url}`). This
console has its own pages for their content: searches in Jaeger become /traces, those in Kibana /logs, dashboards stay
dashboards. All links therefore work without those programs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from shell import links as console
from shell.timerange import TimeRange

from boards.interpolation import Value, lucene_terms, text, url_part, url_values

_KQL = re.compile(r"query:\(language:kuery,query:'(?P<query>.*?)'\)\)?$", re.DOTALL)
_CONSOLE, _JAEGER, _KIBANA = "${console_url}", "${jaeger_url}", "${kibana_url}"


@dataclass(frozen=True)
class Link:
    """A URL of this console with its title."""

    title: str
    url: str

    def as_json(self) -> dict[str, str]:
        """Return the link for the browser."""
        return {"title": self.title, "url": self.url}


@dataclass(frozen=True)
class Scope:
    """What links may refer to: the page's time and variables, and the clicked series or cell."""

    timerange: TimeRange
    values: Mapping[str, Value]
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = ""

    def of(self, labels: Mapping[str, str], value: str = "") -> Scope:
        """Return the scope of the same page for one of its series or cells."""
        return Scope(self.timerange, self.values, labels, value)


class _Missing(LookupError):
    """The link refers to a missing label or value."""


def build(items: Iterable[Mapping[str, Any]], scope: Scope) -> list[Link]:
    """Return links with their variables filled in; those that refer to missing labels or values are left out."""
    built = []
    for item in items:
        try:
            url = address(str(item.get("url") or ""), scope)
        except _Missing:
            continue
        if url:
            built.append(Link(_plain(str(item.get("title") or "Link"), scope), url))
    return built


def address(template: str, scope: Scope) -> str:
    """Return one link's URL in this console; empty if its target is unknown."""
    if template.startswith(f"{_JAEGER}/search"):
        return _traces(template, scope)
    if template.startswith(f"{_JAEGER}/trace/"):
        return console.trace(_plain(template.removeprefix(f"{_JAEGER}/trace/"), scope, required=True))
    if template.startswith(_JAEGER):
        return console.traces(timerange=scope.timerange)
    if template.startswith(_KIBANA):
        return _logs(template, scope)
    if template.startswith(_CONSOLE):
        template = template.removeprefix(_CONSOLE) or "/"
    filled = text(template, _filler(scope, url_part, required=True))
    is_absolute = filled.startswith("//") or urlsplit(filled).scheme not in ("", "http", "https")
    return "" if is_absolute else filled


def _traces(template: str, scope: Scope) -> str:
    params = {
        name: _plain(value, scope, required=name == "service")
        for name, value in parse_qsl(urlsplit(template.removeprefix(_JAEGER)).query)
    }
    tags = {str(name): str(value) for name, value in json.loads(params.get("tags") or "{}").items()}
    error = tags.pop("error", "") == "true"
    return console.traces(params.get("service", ""), error=error, tags=tags, timerange=scope.timerange)


def _logs(template: str, scope: Scope) -> str:
    match = _KQL.search(template)
    query = unquote(match["query"]).replace("!'", "'") if match else ""
    filled = text(query, _filler(scope, console.escape_term, required=True))
    return console.logs(filled, scope.timerange)


def _plain(template: str, scope: Scope, *, required: bool = False) -> str:
    """Fill in without escaping: for text that is escaped as a whole afterwards."""
    return text(template, _filler(scope, str, required=required))


def _filler(scope: Scope, escape: Any, *, required: bool) -> Any:
    def fill(name: str, path: str, style: str) -> str | None:
        found = _built_in(name, path, style, scope)
        if found is None and name in scope.values:
            return _variable(name, style, scope.values[name], escape)
        if found is None:
            return None
        if not found and required:
            raise _Missing(name)
        return found if name == "__url_time_range" else str(escape(found))

    return fill


def _variable(name: str, style: str, value: Value, escape: Any) -> str:
    if style == "queryparam":
        return url_values(name, value)
    if style == "lucene":
        return lucene_terms(value.selected)
    return ",".join(str(escape(one)) for one in value.selected)


def _built_in(name: str, path: str, style: str, scope: Scope) -> str | None:
    timerange = scope.timerange
    if name == "__url_time_range":
        return timerange.query()
    if name in ("__from", "__to"):
        moment = timerange.start if name == "__from" else timerange.end
        if style.startswith("date"):
            return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
        return str(round(moment * 1000))
    if name == "__field":
        if path == "name":
            return scope.value
        return scope.labels.get(path.removeprefix("labels."), "")
    if name == "__value":
        return scope.value
    return None
