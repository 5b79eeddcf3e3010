"""The dashboards' files as Grafana reads them: panels, queries, and interpolation of variables."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1]
# Grafana's values for a time range of ten minutes, with the data source's scrape interval of 15 s.
WINDOW_SECONDS = 600
BUILT_IN = {"__rate_interval": "1m", "__range": f"{WINDOW_SECONDS}s", "__interval": "15s"}
_VARIABLE = re.compile(r"\$\{(\w+)(?:\.[\w.]+)?(?::([\w:]+))?\}|\$(\w+)|\[\[(\w+)\]\]")
_REGEX_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}]")


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard."""

    board: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def title(self) -> str:
        return str(self.body["title"])

    @property
    def where(self) -> str:
        """The panel's name in messages and in the ids of tests."""
        return f"{self.board}: {self.title}"

    @property
    def is_row(self) -> bool:
        """Whether it is a row title."""
        return bool(self.body["type"] == "row")

    def targets(self) -> list[dict[str, Any]]:
        return list(self.body.get("targets", []))

    def links(self) -> Iterator[dict[str, Any]]:
        """The links of the panel, of its points and of its columns."""
        yield from self.body.get("links", [])
        config = self.body.get("fieldConfig", {})
        yield from config.get("defaults", {}).get("links", [])
        for override in config.get("overrides", []):
            for item in override["properties"]:
                if item["id"] == "links":
                    yield from item["value"]

    def thresholds(self) -> Iterator[float]:
        """The values at which the panel changes colour, without the base colour."""
        config = self.body.get("fieldConfig", {})
        found = [config.get("defaults", {}).get("thresholds")]
        for override in config.get("overrides", []):
            found += [item["value"] for item in override["properties"] if item["id"] == "thresholds"]
        for thresholds in found:
            for step in (thresholds or {}).get("steps", []):
                if step["value"] is not None:
                    yield step["value"]


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def boards() -> dict[str, dict[str, Any]]:
    """The dashboards by uid."""
    documents = [json.loads(path.read_text()) for path in files()]
    return {document["uid"]: document for document in documents}


def panels() -> list[Panel]:
    """The panels of all dashboards, without row titles."""
    found = [Panel(uid, body) for uid, board in boards().items() for body in board["panels"]]
    return [panel for panel in found if not panel.is_row]


def variables(board: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A dashboard's variables by name, in order."""
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def window() -> dict[str, str]:
    """The last ten minutes as `start` and `end` parameters of Prometheus's API."""
    now = time.time()
    return {"start": str(now - WINDOW_SECONDS), "end": str(now)}


def used_variables(text: str) -> set[str]:
    """The names of the variables in a text, without Grafana's built-in ones."""
    names = {match[1] or match[3] or match[4] for match in _VARIABLE.finditer(text)}
    return {name for name in names if not name.startswith("__") and not name.isdigit()}


def fill_promql(expr: str, values: Mapping[str, Sequence[str]]) -> str:
    """`expr` with its variables interpolated as in Grafana's Prometheus data source: several values as alternation."""

    def one(match: re.Match[str]) -> str:
        name = match[1] or match[3] or match[4]
        if name in BUILT_IN:
            return BUILT_IN[name]
        if name.isdigit():
            # A capture group of label_replace's regular expression.
            return match[0]
        chosen = [_REGEX_SPECIAL.sub(lambda special: "\\\\" + special[0], value) for value in values[name]]
        return chosen[0] if len(chosen) == 1 else f"({'|'.join(chosen)})"

    return _VARIABLE.sub(one, expr)


def fill_lucene(query: str, values: Mapping[str, Sequence[str]]) -> str:
    """`query` with its variables in Grafana's format `lucene`: quoted, several joined by OR."""

    def one(match: re.Match[str]) -> str:
        quoted = [f'"{value}"' for value in values[match[1] or match[3] or match[4]]]
        return f"({' OR '.join(quoted)})"

    return _VARIABLE.sub(one, query)
