"""Commands: make's targets from the Makefile, and the help texts of the command lines behind them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

_TARGET = re.compile(r"^(?P<name>[a-z0-9-]+):.*?## (?P<text>.+)$", re.MULTILINE)
# What is shown → how it is asked for its help.
COMMAND_LINES = {
    "observability/native/bootstrap": ("platformctl", "--help"),
    "python -m load run": ("load", "run", "--help"),
    "python -m load.drills": ("load.drills", "--help"),
    "python -m load.marks": ("load.marks", "--help"),
}
_INTRODUCTION = """\
# Commands

`make` calls the other command lines with the right environment; use those directly for more options.
"""


def targets() -> dict[str, str]:
    """make's targets with their descriptions."""
    return {found["name"]: found["text"] for found in _TARGET.finditer((ROOT / "Makefile").read_text())}


def help_text(*command: str) -> str:
    """What a Python module prints for `--help`. Raises CalledProcessError when it fails."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def page() -> str:
    """The page."""
    rows = [(code(f"make {name}"), text) for name, text in targets().items()]
    # Side by side: some import much before they know what they are asked.
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda command: help_text(*command), COMMAND_LINES.values()))
    sections = [f"## {shown}\n\n```text\n{text}\n```\n" for shown, text in zip(COMMAND_LINES, texts, strict=True)]
    return "\n".join([_INTRODUCTION, "## make\n", table(("command", "does"), rows), *sections])
