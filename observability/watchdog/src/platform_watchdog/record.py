"""Every notification that was received or raised, in order: a file of JSON lines, and the latest in memory."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

KEPT = 2000
# One previous generation of the file is kept.
LARGEST_FILE_BYTES = 20 * 1024 * 1024


class Record:
    """Thread-safe. Each entry has an increasing number and the time of its arrival in Unix seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def count(self) -> int:
        """The number of entries since the start."""
        return self._number

    def add(self, source: str, notification: dict[str, Any]) -> dict[str, Any]:
        """Append a notification; `source` is alertmanager or watchdog."""
        with self._lock:
            self._number += 1
            entry = {"number": self._number, "at": time.time(), "source": source, "notification": notification}
            self._entries.append(entry)
            if self._path.exists() and self._path.stat().st_size > LARGEST_FILE_BYTES:
                self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
            with self._path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        return entry

    def after(self, number: int, since: float = 0.0) -> list[dict[str, Any]]:
        """The entries in memory with a higher number and not older than `since` (Unix seconds)."""
        with self._lock:
            return [entry for entry in self._entries if entry["number"] > number and entry["at"] >= since]
