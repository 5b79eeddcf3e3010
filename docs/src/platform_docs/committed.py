"""Generated texts that are committed: docs/measurements.md, and the figures in Markdown files."""

from __future__ import annotations

from pathlib import Path

from platform_docs import figures, measurements
from platform_docs.repository import ROOT, tracked

MEASUREMENTS = Path("docs/measurements.md")


def stale() -> dict[Path, str]:
    """Path from the root → current content, of each file whose committed content is another."""
    wanted = {MEASUREMENTS: measurements.page()}
    values = figures.known()
    for path in tracked("*.md"):
        text = (ROOT / path).read_text()
        if path not in wanted and any(figures.used(text)):
            wanted[path] = figures.filled(text, values)
    return {path: content for path, content in wanted.items() if not _is(path, content)}


def _is(path: Path, content: str) -> bool:
    return (ROOT / path).is_file() and (ROOT / path).read_text() == content
