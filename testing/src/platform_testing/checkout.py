"""Copies of a checkout, for tests that change or run one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def copy_checkout(source: Path, target: Path) -> None:
    """Copy what `source` has or would commit into a new repository at `target`, added and not committed."""
    for name in tracked(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name, follow_symlinks=False)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def tracked(checkout: Path) -> list[str]:
    """The files of a checkout that git knows or doesn't ignore, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [name for name in listed.split("\0") if (checkout / name).is_file()]
