"""`python -m platformctl.dev.words [PATH...]`: finds retired wording and common misspellings.

codespell checks the words, with its own dictionary and `.codespell/dictionary.txt`. Phrases are those of
`.codespell/phrases.txt`. Without a path it checks every file that git tracks, except those that `[tool.codespell]` in
`pyproject.toml` skips. The exit code is 1 if there are findings.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

_PHRASES = Path(".codespell/phrases.txt")
_IGNORE = "codespell:ignore"
# Separators between two words of a phrase: names use underscores, comments wrap.
_BETWEEN = r"[\s_#*]+"


def main(arguments: Sequence[str]) -> int:
    root = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel").strip())
    config = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["codespell"]
    paths = [str(Path(argument).resolve().relative_to(root)) for argument in arguments]
    files = list(_files(root, paths, config["skip"].split(",")))
    if not files:
        return 0
    codespell = Path(sys.executable).parent / "codespell"
    failed = subprocess.run([str(codespell), *files], cwd=root, check=False).returncode != 0
    patterns = list(_patterns((root / _PHRASES).read_text()))
    for name in files:
        for line, phrase, instead in _phrases(root / name, patterns):
            print(f"{name}:{line}: {phrase} ==> {instead}")
            failed = True
    return 1 if failed else 0


def _files(root: Path, paths: Sequence[str], skip: Sequence[str]) -> Iterator[str]:
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths).split("\0")
    for name in sorted(set(filter(None, listed))):
        # codespell matches a pattern against the path or its last part.
        if not any(fnmatch(name, glob) or fnmatch(Path(name).name, glob) for glob in skip) and (root / name).is_file():
            yield name


def _patterns(text: str) -> Iterator[tuple[re.Pattern[str], str]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            phrase, instead = line.split(" -> ")
            yield re.compile(rf"(?<![a-z])(?:{phrase.replace(' ', _BETWEEN)})(?![a-z])", re.IGNORECASE), instead


def _phrases(path: Path, patterns: Sequence[tuple[re.Pattern[str], str]]) -> Iterator[tuple[int, str, str]]:
    try:
        text = path.read_text()
    except UnicodeDecodeError:  # a picture
        return
    lines = text.splitlines()
    for pattern, instead in patterns:
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start())
            if _IGNORE not in lines[line]:
                yield line + 1, " ".join(match.group().split()), instead


def _git(directory: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
