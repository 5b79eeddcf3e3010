"""Dashboards as defined by their JSON files (Grafana's schema), parsed once into typed objects.

Features of a file that this console doesn't draw are recorded as notes: a panel lists what is missing, instead of
displaying something that only looks right.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

logger = logging.getLogger(__name__)

PROMETHEUS = "prometheus"
ELASTICSEARCH = "elasticsearch"
COLUMNS = 24
PANEL_TYPES = frozenset(
    {"timeseries", "stat", "gauge", "bargauge", "table", "state-timeline", "heatmap", "logs", "text"}
)
TRANSFORMATIONS = frozenset({"merge", "filterFieldsByName", "organize", "groupingToMatrix"})
MATCHERS = frozenset({"byName", "byRegexp", "byFrameRefID"})
VARIABLE_TYPES = frozenset({"query", "custom", "textbox", "constant", "datasource"})
_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DashboardNotFound(LookupError):
    """There is no dashboard with this uid, or no panel with this id."""


@dataclass(frozen=True)
class Target:
    """One query of a panel. ``body`` is as in the file, ``datasource`` the type of its data source."""

    ref_id: str
    datasource: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def expr(self) -> str:
        """Return the PromQL expression, with variables."""
        return str(self.body.get("expr", ""))

    @property
    def format(self) -> str:
        """time_series, table or heatmap."""
        return str(self.body.get("format") or "time_series")

    @property
    def instant(self) -> bool:
        """Return whether it is evaluated at the end of the window only. A query that sets neither is a range query."""
        return bool(self.body.get("instant")) and not self.body.get("range")


@dataclass(frozen=True)
class Panel:
    """One panel. ``width`` is in columns of 24, ``height`` in rows of 30 pixels."""

    id: int
    type: str
    title: str
    description: str
    x: int
    y: int
    width: int
    height: int
    targets: tuple[Target, ...] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of this kind of panel."""
        return self.body.get("options") or {}

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The default configuration of all fields."""
        return (self.body.get("fieldConfig") or {}).get("defaults") or {}

    @property
    def overrides(self) -> list[Mapping[str, Any]]:
        """The configuration that differs for some fields."""
        return list((self.body.get("fieldConfig") or {}).get("overrides") or [])

    @property
    def transformations(self) -> list[Mapping[str, Any]]:
        """Return the transformations of the answers, without disabled ones."""
        return [item for item in self.body.get("transformations") or [] if not item.get("disabled")]

    @property
    def links(self) -> list[Mapping[str, Any]]:
        """Return the links in its header."""
        return list(self.body.get("links") or [])

    @property
    def is_supported(self) -> bool:
        """Return whether a renderer exists for it."""
        return self.type in PANEL_TYPES

    @cached_property
    def unsupported(self) -> tuple[str, ...]:
        """Return the features that aren't drawn, as text for users."""
        return tuple(_unsupported(self))


@dataclass(frozen=True)
class Section:
    """A row: a heading and the panels below it. The first has no title if the dashboard begins without a row."""

    title: str
    collapsed: bool
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A variable of a dashboard. ``query`` is as in the file."""

    name: str
    type: str
    label: str
    description: str
    query: str
    multi: bool
    include_all: bool
    all_value: str
    hidden: bool
    default: tuple[str, ...]
    unsupported: str = ""


@dataclass(frozen=True)
class Annotation:
    """A query whose results are drawn as lines across graphs."""

    name: str
    datasource: str
    color: str
    enabled: bool
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard as defined by its file."""

    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    refresh: str
    time_from: str

    @property
    def panels(self) -> Iterator[Panel]:
        """Return all panels, in reading order."""
        for section in self.sections:
            yield from section.panels

    def panel(self, panel_id: int) -> Panel:
        """Return the panel with this id. Raises DashboardNotFound."""
        for panel in self.panels:
            if panel.id == panel_id:
                return panel
        raise DashboardNotFound(f"{self.uid} has no panel {panel_id}")

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Return notes about unsupported variables."""
        return tuple(variable.unsupported for variable in self.variables if variable.unsupported)


def load_all() -> list[Dashboard]:
    """Return every dashboard of DASHBOARDS_DIR, by title. An unreadable file is skipped and logged."""
    found = []
    for path in sorted(Path(settings.DASHBOARDS_DIR).glob("*.json")):
        try:
            found.append(_read(str(path), path.stat().st_mtime_ns))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is no dashboard: %s", path.name, error)
    return sorted(found, key=lambda dashboard: dashboard.title)


def load(uid: str) -> Dashboard:
    """Return the dashboard with this uid. Raises DashboardNotFound."""
    if _UID.fullmatch(uid):
        for dashboard in load_all():
            if dashboard.uid == uid:
                return dashboard
    raise DashboardNotFound(f"no dashboard {uid!r}")


@lru_cache(maxsize=64)
def _read(path: str, changed: int) -> Dashboard:
    """Parse a file. ``changed`` is its modification time, so that a changed file is parsed again."""
    return parse(json.loads(Path(path).read_text(encoding="utf-8")))


def parse(document: Mapping[str, Any]) -> Dashboard:
    """Parse a dashboard. Raises KeyError, ValueError or TypeError for any other document."""
    return Dashboard(
        uid=str(document["uid"]),
        title=str(document["title"]),
        description=str(document.get("description") or ""),
        tags=tuple(document.get("tags") or ()),
        sections=tuple(_sections(document["panels"])),
        variables=tuple(_variable(item) for item in document.get("templating", {}).get("list", ())),
        annotations=tuple(
            Annotation(
                name=str(item["name"]),
                datasource=_datasource(item),
                color=str(item.get("iconColor") or "blue"),
                enabled=bool(item.get("enable")),
                body=item,
            )
            for item in document.get("annotations", {}).get("list", ())
            if not item.get("builtIn")
        ),
        refresh=str(document.get("refresh") or ""),
        time_from=str((document.get("time") or {}).get("from") or "now-1h"),
    )


def _sections(items: list[Mapping[str, Any]]) -> Iterator[Section]:
    title, collapsed = "", False
    panels: list[Panel] = []
    for item in sorted(items, key=_position):
        if item["type"] != "row":
            panels.append(_panel(item))
            continue
        if panels or title:
            yield Section(title, collapsed, tuple(panels))
        title, collapsed = str(item.get("title") or ""), bool(item.get("collapsed"))
        # The panels of a collapsed row are inside it, those of an open one follow it.
        panels = [_panel(inner) for inner in sorted(item.get("panels") or (), key=_position)]
    if panels or title:
        yield Section(title, collapsed, tuple(panels))


def _position(item: Mapping[str, Any]) -> tuple[int, int]:
    place = item.get("gridPos") or {}
    return int(place.get("y", 0)), int(place.get("x", 0))


def _panel(item: Mapping[str, Any]) -> Panel:
    place = item.get("gridPos") or {}
    width = min(max(int(place.get("w", COLUMNS)), 1), COLUMNS)
    return Panel(
        id=int(item["id"]),
        type=str(item["type"]),
        title=str(item.get("title") or ""),
        description=str(item.get("description") or ""),
        x=min(int(place.get("x", 0)), COLUMNS - width),
        y=int(place.get("y", 0)),
        width=width,
        height=min(max(int(place.get("h", 8)), 2), 40),
        targets=tuple(
            Target(str(target.get("refId") or "A"), _datasource(target) or _datasource(item), target)
            for target in item.get("targets") or ()
            if not target.get("hide")
        ),
        body=item,
    )


def _datasource(item: Mapping[str, Any]) -> str:
    source = item.get("datasource") or {}
    return str(source.get("type") or "") if isinstance(source, Mapping) else str(source)


def _variable(item: Mapping[str, Any]) -> Variable:
    query = item.get("query")
    if isinstance(query, Mapping):
        query = query.get("query")
    kind = str(item["type"])
    current = (item.get("current") or {}).get("value")
    values = current if isinstance(current, list) else [current] if current else []
    unsupported = ""
    if kind not in VARIABLE_TYPES:
        unsupported = f"The variable {item['name']} is of type {kind}, which is not supported here."
    elif item.get("regex"):
        unsupported = f"The variable {item['name']} filters its values by a regular expression: all are offered here."
    return Variable(
        name=str(item["name"]),
        type=kind,
        label=str(item.get("label") or item["name"]),
        description=str(item.get("description") or ""),
        query=str(query or ""),
        multi=bool(item.get("multi")),
        include_all=bool(item.get("includeAll")),
        all_value=str(item.get("allValue") or ""),
        hidden=item.get("hide") == 2 or kind in ("datasource", "constant"),
        default=tuple(str(value) for value in values),
        unsupported=unsupported,
    )


def _unsupported(panel: Panel) -> Iterator[str]:
    if not panel.is_supported:
        yield f"Panels of type “{panel.type}” are not drawn here."
        return
    for item in panel.transformations:
        if item["id"] not in TRANSFORMATIONS:
            yield f"The transformation “{item['id']}” is left out."
    for target in panel.targets:
        if target.datasource not in (PROMETHEUS, ELASTICSEARCH):
            yield f"Query {target.ref_id} asks the data source “{target.datasource}”, which is unknown here."
    for override in panel.overrides:
        if override["matcher"]["id"] not in MATCHERS:
            yield f"An override by “{override['matcher']['id']}” is left out."
    yield from _unsupported_settings(panel)


def _unsupported_settings(panel: Panel) -> Iterator[str]:
    if panel.body.get("repeat"):
        yield f"Grafana repeats this panel for each {panel.body['repeat']}; here it is drawn once."
    for name in ("timeFrom", "timeShift"):
        if panel.body.get(name):
            yield f"Its own time ({name}: {panel.body[name]}) is left out."
    if (panel.options.get("reduceOptions") or {}).get("values"):
        yield "Grafana shows all values here; only the reduced one is drawn."
