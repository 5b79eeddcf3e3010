"""The values of a dashboard's variables: the choice in the URL, and the options."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from backends import prometheus
from django.core.cache import cache
from django.http import QueryDict
from shell.timerange import TimeRange

from boards.definitions import Dashboard, Variable
from boards.interpolation import ALL, Value, promql

# Panels of a page request the same options within a second or two.
_KEPT_SECONDS = 30
_MOST_VALUES = 100
_LONGEST_VALUE = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<selector>.+?)\s*,\s*)?(?P<label>[A-Za-z_]\w*)\s*\)", re.DOTALL)


class BadVariable(ValueError):
    """An invalid value in the URL."""


@dataclass(frozen=True)
class Resolved:
    """A variable, its value, and its options."""

    variable: Variable
    value: Value
    options: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the choice as text for users."""
        if self.value.is_all:
            return "All"
        if len(self.value.selected) > 2:
            return f"{len(self.value.selected)} of {len(self.options)}"
        return ", ".join(self.value.selected) or "None"

    @property
    def choices(self) -> list[tuple[str, bool]]:
        """Return the options, and chosen values that no longer exist, each with whether it is chosen."""
        chosen = () if self.value.is_all else self.value.selected
        missing = [value for value in chosen if value not in self.options]
        return [(option, option in chosen) for option in (*self.options, *missing)]


def resolve(dashboard: Dashboard, params: QueryDict, timerange: TimeRange) -> dict[str, Resolved]:
    """Every variable by name, in order: a later one's query may use an earlier one.

    Raises BadVariable for a value that can't be one, BackendDown when options are needed and Prometheus is unavailable.
    """
    resolved: dict[str, Resolved] = {}
    for variable in dashboard.variables:
        values = {name: item.value for name, item in resolved.items()}
        options = _options(variable, values, timerange)
        resolved[variable.name] = Resolved(variable, _value(variable, chosen(variable, params), options), options)
    return resolved


def values_of(resolved: Mapping[str, Resolved]) -> dict[str, Value]:
    """Values by name, for interpolation."""
    return {name: item.value for name, item in resolved.items()}


def chosen(variable: Variable, params: QueryDict) -> tuple[str, ...]:
    """Return the choice in the URL, or the dashboard's default. BadVariable states what is wrong with it.

    A hidden variable always has the dashboard's value: these are URLs of other programs, and no parameter may change
    where a link leads.
    """
    if variable.hidden:
        return variable.default
    asked = tuple(dict.fromkeys(value for value in params.getlist(f"var-{variable.name}") if value))
    if not asked:
        return variable.default
    if len(asked) > _MOST_VALUES:
        raise BadVariable(f"{variable.label}: more than {_MOST_VALUES} values")
    for value in asked:
        if len(value) > _LONGEST_VALUE:
            raise BadVariable(f"{variable.label}: a value is longer than {_LONGEST_VALUE} characters")
        if _UNPRINTABLE.search(value):
            raise BadVariable(f"{variable.label}: a value has control characters")
    return asked


def _value(variable: Variable, asked: tuple[str, ...], options: tuple[str, ...]) -> Value:
    if variable.include_all and (not asked or ALL in asked or "All" in asked):
        return Value(options, is_all=True, all_value=variable.all_value, multi=variable.multi)
    if not asked:
        asked = options[:1]
    return Value(asked if variable.multi else asked[:1], multi=variable.multi)


def _options(variable: Variable, values: Mapping[str, Value], timerange: TimeRange) -> tuple[str, ...]:
    if variable.type == "custom":
        return tuple(option.strip() for option in variable.query.split(",") if option.strip())
    if variable.type != "query":
        return variable.default or ((variable.query,) if variable.query else ())
    match = _LABEL_VALUES.fullmatch(variable.query.strip())
    if match is None:
        return ()
    selector = promql(match["selector"], values, {}) if match["selector"] else None
    # Whole minutes: the panels of a page, which query one after the other, share a cached answer.
    start, end = math.floor(timerange.start / 60) * 60.0, math.ceil(timerange.end / 60) * 60.0
    identity = repr((match["label"], selector, start, end)).encode()
    key = f"boards.options.{hashlib.sha256(identity).hexdigest()}"
    found: tuple[str, ...] | None = cache.get(key)
    if found is None:
        found = tuple(prometheus.client().label_values(match["label"], selector, start, end))
        cache.set(key, found, _KEPT_SECONDS)
    return found
