"""Where the repository is, and which of its files are texts for people."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows or would add, as paths from the root; `patterns` are git's."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return sorted(path for path in map(Path, filter(None, listed)) if (ROOT / path).is_file())
