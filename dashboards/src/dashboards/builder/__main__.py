"""`python -m dashboards.builder` writes the dashboards' JSON; `--check` only reports whether it is current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dashboards.builder.boards import every

FOLDER = Path(__file__).resolve().parents[3]


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of files that are missing, differ from what is built now, or belong to no dashboard."""
    wanted = {board.file_name: board.render() for board in every()}
    present = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(folder: Path = FOLDER) -> list[str]:
    """Write every dashboard's file and delete files that belong to none. Returns the names of the changed files."""
    changed = stale(folder)
    wanted = {board.file_name: board.render() for board in every()}
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns exit code 1 when `--check` finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.builder", description="Build the dashboards' JSON.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is stale")
    if parser.parse_args(arguments).check:
        names = stale()
        if names:
            print(f"not current: {', '.join(names)}; run `python -m dashboards.builder`", file=sys.stderr)
        return 1 if names else 0
    changed = write()
    print(f"written: {', '.join(changed)}" if changed else "all current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
