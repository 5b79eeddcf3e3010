"""Tables."""

from __future__ import annotations

from typing import Any

from boards.fieldconfig import config_of, display_name, for_browser
from boards.frames import NUMBER, TIME, Field
from boards.links import Scope
from boards.rendering.common import Answers, Json, finite, links_of, milliseconds

# More rows don't help a reader; the panel reports that there are more.
MOST_ROWS = 500


def table(answers: Answers) -> Json:
    """Render columns with their configuration, rows of raw values, and the links of each cell."""
    panel = answers.panel
    if not answers.frames or not answers.frames[0].fields:
        return {"columns": [], "rows": [], "links": {}, "sort": None, "more": 0}
    frame = answers.frames[0]
    columns: list[Json] = []
    links: dict[str, list[Any]] = {}
    for index, column in enumerate(frame.fields):
        config = config_of(panel, frame, column)
        custom = config["custom"]
        columns.append(
            {
                "name": display_name(config, column),
                "kind": column.kind,
                "config": for_browser(config),
                "cell": (custom.get("cellOptions") or {}).get("type", "auto"),
                "width": custom.get("width"),
            }
        )
        if config.get("links"):
            links[str(index)] = [
                links_of(config, _cell(answers.scope, column, value)) for value in column.values[:MOST_ROWS]
            ]
    values = [[_value(column, value) for value in column.values[:MOST_ROWS]] for column in frame.fields]
    return {
        "columns": columns,
        "rows": [list(row) for row in zip(*values, strict=True)],
        "links": links,
        "sort": _sort(panel.options.get("sortBy"), [str(column["name"]) for column in columns]),
        "more": max(len(frame) - MOST_ROWS, 0),
    }


def _cell(scope: Scope, column: Field, value: Any) -> Scope:
    return scope.of(column.labels, "" if value is None else str(value))


def _value(column: Field, value: Any) -> Any:
    if column.kind == TIME and isinstance(value, int | float):
        return milliseconds(value)
    return finite(float(value)) if column.kind == NUMBER and isinstance(value, int | float) else value


def _sort(wanted: Any, names: list[str]) -> Json | None:
    for item in wanted or ():
        if item.get("displayName") in names:
            return {"column": names.index(item["displayName"]), "desc": bool(item.get("desc"))}
    return None
