"""Inserts variables into queries and links. Values chosen by users are data, escaped for the target language.

Three languages: PromQL (a regular expression inside a string), Lucene (quoted terms) and URLs. Undefined names are
unchanged: `$1` is a group of label_replace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

ALL = "$__all"
_REFERENCE = re.compile(
    r"\$\{(?P<braced>\w+)(?:\.(?P<path>[\w.]+))?(?::(?P<format>[^}]+))?\}"
    r"|\$(?P<plain>\w+)"
    r"|\[\[(?P<old>\w+)\]\]"
)
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
# In a regular expression as code points: so a value ends no string, whichever quotes the query has around it.
_QUOTES = {'"': r"\x22", "'": r"\x27", "`": r"\x60"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Value:
    """What a variable stands for. ``selected`` are values, with ``is_all`` all its options; ``all_value`` replaces
    them in queries if the dashboard's author gave one."""

    selected: tuple[str, ...]
    is_all: bool = False
    all_value: str = ""
    multi: bool = True


Values = Mapping[str, Value]


def promql(expr: str, values: Values, built_in: Mapping[str, str]) -> str:
    """Fill in a PromQL expression, as Grafana's Prometheus data source does: several values become an alternation.

    Whatever format the expression asks for, a value is escaped as a regular expression inside a string.
    """

    def fill(name: str, _: str, __: str) -> str | None:
        if name in built_in:
            return built_in[name]
        value = values.get(name)
        if value is None:
            return None
        if value.is_all and value.all_value:
            return value.all_value
        escaped = [promql_regex(one) for one in value.selected]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})" if escaped else ""

    return _replace(expr, fill)


def promql_regex(value: str) -> str:
    """Return a value as part of a regular expression inside a PromQL string with any quotes."""

    def escape(character: str) -> str:
        if character in _QUOTES:
            return _QUOTES[character]
        if _CONTROL.match(character):
            return f"\\x{ord(character):02x}"
        return _REGEX_SPECIAL.sub(r"\\\g<0>", character)

    # The string's own escapes: every backslash of the regular expression is written twice.
    return "".join(escape(character) for character in value).replace("\\", "\\\\")


def lucene(query: str, values: Values) -> str:
    """Fill in a Lucene query: every value becomes a quoted term, several are joined by OR."""

    def fill(name: str, _: str, __: str) -> str | None:
        value = values.get(name)
        return None if value is None else lucene_terms(value.selected)

    return _replace(query, fill)


def lucene_terms(terms: tuple[str, ...]) -> str:
    """Quoted terms, joined by OR; one that matches nothing if there are none."""
    quoted = [f'"{_lucene_escape(term)}"' for term in terms]
    if not quoted:
        return '""'
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def _lucene_escape(term: str) -> str:
    return _CONTROL.sub(" ", term).replace("\\", "\\\\").replace('"', '\\"')


def text(template: str, resolve: Callable[[str, str, str], str | None]) -> str:
    """Fill in any other text. ``resolve(name, path, format)`` returns the replacement, None keeps the reference."""
    return _replace(template, resolve)


def names(template: str) -> set[str]:
    """Return the names that a text refers to, except Grafana's own and groups of regular expressions."""
    found = {match["braced"] or match["plain"] or match["old"] for match in _REFERENCE.finditer(template)}
    return {name for name in found if not name.startswith("__") and not name.isdigit()}


def url_values(name: str, value: Value) -> str:
    """Return `var-name=…` for a URL, once per value, URL-encoded."""
    chosen = (ALL,) if value.is_all else value.selected
    return urlencode([(f"var-{name}", one) for one in chosen])


def url_part(value: str) -> str:
    """Return a value escaped for any part of a URL."""
    return quote(value, safe="")


def _replace(template: str, resolve: Callable[[str, str, str], str | None]) -> str:
    def one(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"] or match["old"]
        replacement = resolve(name, match["path"] or "", match["format"] or "")
        return match[0] if replacement is None else replacement

    return _REFERENCE.sub(one, template)
