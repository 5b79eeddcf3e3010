"""Limits the size of files on this machine that grow without any other limit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# The file backend writes one file for each mail, and background traffic orders all day.
MAILS_KEPT = 2000
# rsyslog appends its counters every ten seconds in append mode, so truncating the file in place is safe.
STATS_BYTES = 4 * 1024 * 1024


def trim_folder(folder: Path, keep: int) -> int:
    """Delete all but the `keep` newest files of a folder; returns how many were deleted. The folder may be missing."""
    files = [(file.stat().st_mtime_ns, file) for file in folder.glob("*") if file.is_file()]
    outdated = sorted(files)[: max(0, len(files) - keep)]
    for _, file in outdated:
        file.unlink(missing_ok=True)
    return len(outdated)


def empty_when_big(file: Path, limit: int) -> bool:
    """Truncate a file in place if it is larger than `limit` bytes; returns whether it was. The file may be missing."""
    with suppress(FileNotFoundError):
        if file.stat().st_size > limit:
            with file.open("r+b") as opened:
                opened.truncate(0)
            return True
    return False
