"""Display configuration of a field: the panel's defaults, and the overrides for some fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from boards.definitions import Panel
from boards.frames import Field, Frame

Config = dict[str, Any]
# The parts of a field's configuration that the browser needs.
_SENT = ("unit", "decimals", "min", "max", "mappings", "color", "noValue")


def config_of(panel: Panel, frame: Frame, column: Field) -> Config:
    """Return a field's whole configuration, including `custom`, after all matching overrides."""
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
    """Return the part of a configuration that the browser needs."""
    sent = {name: config[name] for name in _SENT if config.get(name) not in (None, [], "")}
    steps = (config.get("thresholds") or {}).get("steps") or []
    # A single step without a value means no colour: the schema's "none".
    if len(steps) > 1 or any(step.get("color") not in ("text", "green") for step in steps):
        sent["thresholds"] = {"mode": config["thresholds"].get("mode", "absolute"), "steps": steps}
    return sent


def display_name(config: Config, column: Field) -> str:
    """Return a field's display name."""
    return str(config.get("displayName") or column.display)


def _matches(matcher: Mapping[str, Any], frame: Frame, column: Field) -> bool:
    kind, wanted = matcher["id"], str(matcher.get("options") or "")
    if kind == "byName":
        return wanted in (column.display, column.name)
    if kind == "byFrameRefID":
        return wanted == frame.ref_id
    if kind == "byRegexp":
        # As Grafana's stringToJsRegex: between slashes it is a search, otherwise it matches the whole name.
        if wanted.startswith("/") and wanted.rfind("/") > 0:
            return bool(re.search(wanted[1 : wanted.rfind("/")], column.display))
        return bool(re.fullmatch(wanted, column.display))
    return False
