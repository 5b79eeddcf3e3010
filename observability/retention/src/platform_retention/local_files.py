"""Files on this machine that grow and that nobody else bounds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# The file backend writes one file for each mail, and background traffic orders all day.
MAILS_KEPT = 2000
# rsyslog appends its figures every ten seconds, opened for appending: emptying it in place is safe.
STATS_BYTES = 4 * 1024 * 1024


def trim_folder(folder: Path, keep: int) -> int:
    """Delete all but the `keep` newest files of a folder; returns how many went. A missing folder is an empty one."""
    files = [(file.stat().st_mtime_ns, file) for file in folder.glob("*") if file.is_file()]
    outdated = sorted(files)[: max(0, len(files) - keep)]
    for _, file in outdated:
        file.unlink(missing_ok=True)
    return len(outdated)


def empty_when_big(file: Path, limit: int) -> bool:
    """Empty a file in place when it has more than `limit` bytes; returns whether it did. May be missing."""
    with suppress(FileNotFoundError):
        if file.stat().st_size > limit:
            with file.open("r+b") as opened:
                opened.truncate(0)
            return True
    return False
