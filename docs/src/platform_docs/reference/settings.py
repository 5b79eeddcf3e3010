"""Settings of the platform, from `.env.example`, which is generated from the catalogue and the settings' code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

_VARIABLE = re.compile(r"#?(?P<name>[A-Z][A-Z0-9_]*)=(?P<default>.*)")
_INTRODUCTION = """\
# Platform settings

Copy `.env.example` to `.env` and uncomment what you change. Variables of the shell override `.env`. A wrong value stops
the start; the message names every wrong variable and what is allowed, and shows no values.

Settings of the library are on [a page of their own](library-settings.md).
"""


@dataclass(frozen=True)
class Group:
    """Variables below one comment."""

    meaning: str
    variables: dict[str, str]


def groups(example: str) -> Iterator[Group]:
    """The groups of .env.example: a comment, then `#NAME=default` lines; a blank line ends a group."""
    for paragraph in re.split(r"\n\s*\n", example):
        comment: list[str] = []
        variables: dict[str, str] = {}
        for line in paragraph.splitlines():
            if found := _VARIABLE.fullmatch(line.strip()):
                variables[found["name"]] = found["default"]
            elif line.startswith("#"):
                comment.append(line.lstrip("# "))
        if variables:
            yield Group(" ".join(comment), variables)


def page() -> str:
    """The page."""
    found = list(groups((ROOT / ".env.example").read_text()))
    general = [group for group in found if len(group.variables) <= 2]
    lists = [group for group in found if len(group.variables) > 2]
    rows = [
        ("<br>".join(map(code, group.variables)), "<br>".join(map(code, group.variables.values())), group.meaning)
        for group in general
    ]
    parts = [_INTRODUCTION, table(("variable", "default", "meaning"), rows)]
    for group in lists:
        title = re.split(r"[,.] | \(", group.meaning)[0].rstrip(".")
        parts.append(f"## {title}\n")
        if title != group.meaning.rstrip("."):
            parts.append(f"{group.meaning}\n")
        parts.append(table(("variable", "default"), ((code(k), code(v)) for k, v in group.variables.items())))
    return "\n".join(parts)
