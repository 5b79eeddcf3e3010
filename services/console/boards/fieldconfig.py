"""How a field is to be shown: the panel's defaults, and what its overrides change for some fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from boards.definitions import Panel
from boards.frames import Field, Frame

Config = dict[str, Any]
# What the browser needs to know of a field's configuration.
_SENT = ("unit", "decimals", "min", "max", "mappings", "color", "noValue")


def config_of(panel: Panel, frame: Frame, column: Field) -> Config:
    """A field's whole configuration, `custom` included, after all overrides that match it."""
    config: Config = {**panel.defaults, "custom": dict(panel.defaults.get("custom") or {})}
    for override in panel.overrides:
        if not _matches(override["matcher"], frame, column):
            continue
        for item in override.get("properties") or ():
            name, value = str(item["id"]), item.get("value")
            if name.startswith("custom."):
                config["custom"][name.removeprefix("custom.")] = value
            else:
                config[name] = value
    return config


def for_browser(config: Config) -> dict[str, Any]:
    """The part of a configuration that the browser draws by."""
    sent = {name: config[name] for name in _SENT if config.get(name) not in (None, [], "")}
    steps = (config.get("thresholds") or {}).get("steps") or []
    # A single step without a value colours nothing: it is the schema's "none".
    if len(steps) > 1 or any(step.get("color") not in ("text", "green") for step in steps):
        sent["thresholds"] = {"mode": config["thresholds"].get("mode", "absolute"), "steps": steps}
    return sent


def display_name(config: Config, column: Field) -> str:
    """What a field is called."""
    return str(config.get("displayName") or column.display)


def _matches(matcher: Mapping[str, Any], frame: Frame, column: Field) -> bool:
    kind, wanted = matcher["id"], str(matcher.get("options") or "")
    if kind == "byName":
        return wanted in (column.display, column.name)
    if kind == "byFrameRefID":
        return wanted == frame.ref_id
    if kind == "byRegexp":
        # As Grafana's stringToJsRegex: between slashes it is searched for, else it is the whole name.
        if wanted.startswith("/") and wanted.rfind("/") > 0:
            return bool(re.search(wanted[1 : wanted.rfind("/")], column.display))
        return bool(re.fullmatch(wanted, column.display))
    return False
