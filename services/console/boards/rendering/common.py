"""Shared by all kinds of panel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from backends.prometheus import Exemplar

from boards.definitions import Panel
from boards.fieldconfig import Config, config_of, display_name, for_browser
from boards.frames import Field, Frame
from boards.links import Scope, build
from boards.steps import Window

Json = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """A panel's answers, transformed, with everything needed to render them."""

    panel: Panel
    frames: list[Frame]
    window: Window
    scope: Scope
    exemplars: list[Exemplar] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """A displayed column of numbers."""

    frame: Frame
    column: Field
    config: Config

    @property
    def name(self) -> str:
        """What it is called."""
        return display_name(self.config, self.column)


def shown(answers: Answers) -> list[Shown]:
    """Return all columns of numbers, each with its configuration, in the order of the answers."""
    return [
        Shown(frame, column, config_of(answers.panel, frame, column))
        for frame in answers.frames
        for column in frame.numbers
    ]


def described(one: Shown, scope: Scope) -> Json:
    """Return name, configuration and links of a series."""
    return {
        "name": one.name,
        "config": for_browser(one.config),
        "links": links_of(one.config, scope.of(one.column.labels)),
    }


def links_of(config: Config, scope: Scope) -> list[dict[str, str]]:
    """Return a field's links, for one series or cell."""
    return [link.as_json() for link in build(config.get("links") or (), scope)]


def finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity: infinity is sent as a word, NaN as null."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "+Inf" if value > 0 else "-Inf"
    return value


def milliseconds(seconds: float) -> int:
    """Return a time in the browser's unit."""
    return round(seconds * 1000)
