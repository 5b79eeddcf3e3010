"""Checks the subject lines of commits: `scope: Imperative subject`.

python -m platformctl.dev.subjects --message FILE     the message that git is about to commit (hook commit-msg)
python -m platformctl.dev.subjects --since BASE       the commits after BASE; if BASE is unknown: after main
python -m platformctl.dev.subjects --scopes           lists the scopes

The exit code is 1 when a subject is invalid.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import catalogue

AREAS = (
    *("catalogue", "contracts", "telemetry", "alerts", "dashboards", "load", "drills", "native", "compose", "watchdog"),
    *("logs", "docs", "tests", "lint", "ci"),
)
MAX_LENGTH = 90
MAIN = "origin/main"
# Subjects that git generates.
_BY_GIT = re.compile(r"(Merge |Revert \"|fixup! |squash! )")
_SUBJECT = re.compile(r"(?P<scope>[^:\s]+): (?P<first>\S+)")
_SCISSORS = "# ------------------------ >8 ------------------------"


def problems(subject: str, scopes: Sequence[str]) -> list[str]:
    """The problems of a subject; empty if it is valid."""
    if _BY_GIT.match(subject):
        return []
    match = _SUBJECT.match(subject)
    if match is None:
        return ["it is not `scope: Imperative subject`"]
    found = []
    if match["scope"] not in scopes:
        found.append(f"{match['scope']!r} is no scope; allowed: {', '.join(scopes)}")
    first = match["first"]
    if not first[0].isupper():
        found.append(f"{first!r} begins with a small letter")
    # Words such as "Add" or "Press" are imperatives; "Added", "Adding" and "Adds" are not.
    if re.search(r"([^e]ed|ing|[^s]s)$", first):
        found.append(f"{first!r} is not an imperative")
    if subject.endswith("."):
        found.append("it ends with a full stop")
    if len(subject) > MAX_LENGTH:
        found.append(f"it has {len(subject)} characters; at most {MAX_LENGTH} are allowed")
    return found


def scopes() -> list[str]:
    """The services of the catalogue and the other areas of the repository."""
    return sorted({*AREAS, *catalogue.load().services})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m platformctl.dev.subjects")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--message", type=Path, metavar="FILE", help="a file with one commit message")
    source.add_argument("--since", metavar="BASE", help="the commits after BASE, or after main if there is no BASE")
    source.add_argument("--scopes", action="store_true", help="list the scopes")
    options = parser.parse_args(arguments)
    allowed = scopes()
    if options.scopes:
        print(*allowed, sep="\n")
        return 0
    subjects = [_subject(options.message.read_text())] if options.message else _subjects(options.since)
    failed = False
    for subject in subjects:
        for problem in problems(subject, allowed):
            print(f"{subject!r}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


def _subject(message: str) -> str:
    """The first line that isn't a comment."""
    lines = message.partition(_SCISSORS)[0].splitlines()
    return next((line for line in lines if line.strip() and not line.startswith("#")), "")


def _subjects(base: str) -> list[str]:
    # The first push of a branch has no previous commit; after a forced push the previous commit wasn't fetched.
    known = subprocess.run(["git", "cat-file", "-e", f"{base}^{{commit}}"], check=False, capture_output=True)
    commits = f"{base if known.returncode == 0 else MAIN}..HEAD"
    command = ["git", "log", "--no-merges", "--format=%s", commits, "--"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
