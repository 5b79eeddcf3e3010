"""Fenced code blocks of Markdown files, with the marks that say which of them tests run.

A mark follows the language: ```sh {run}```. Renderers use the language and ignore the mark.

- `{run}`: a test runs it (shell from the repository's root, over the running platform; Python by this environment).
- `{run: project}`: a test runs it in a new Django project, where Python is added to the settings.
- `{not-run: reason}`: no test runs it as it is; the reason says what covers it instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = re.compile(
    r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<language>[\w+-]*)[ \t]*(?:\{(?P<mark>[^}\n]*)\})?[ \t]*$"
)


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is where its text starts, counted from 1."""

    language: str
    mark: str
    text: str
    line: int

    @property
    def is_run(self) -> bool:
        return self.mark == "run"

    @property
    def is_run_in_project(self) -> bool:
        return self.mark == "run: project"

    @property
    def reason_not_run(self) -> str:
        name, _, reason = self.mark.partition(":")
        return reason.strip() if name.strip() == "not-run" else ""


def blocks(markdown: str) -> Iterator[Block]:
    """Every fenced block, in order."""
    opened: re.Match[str] | None = None
    collected: list[str] = []
    first = 0
    for number, line in enumerate(markdown.splitlines(), 1):
        if opened is None:
            opened = _OPENING.match(line)
            collected, first = [], number + 1
        elif line.strip() == opened["fence"]:
            yield Block(opened["language"], (opened["mark"] or "").strip(), "\n".join(collected) + "\n", first)
            opened = None
        else:
            collected.append(line)


def without(markdown: str) -> str:
    """The text with fenced blocks replaced by blank lines, to find links or figures in prose."""
    kept: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        if fence:
            kept.append("")
            if line.strip() == fence:
                fence = ""
        elif found := _OPENING.match(line):
            fence = found["fence"]
            kept.append("")
        else:
            kept.append(line)
    return "\n".join(kept)
