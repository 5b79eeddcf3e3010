"""A journal on disk of what is broken, written before the fault is injected, so that a crash can be undone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entry = tuple[str, Mapping[str, Any]]


class Journal:
    """A small JSON file; deleted when nothing is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, action: str, arguments: Mapping[str, Any]) -> None:
        """Record an action before it is done."""
        self._write([*self.entries(), (action, arguments)])

    def entries(self) -> list[Entry]:
        """The actions to undo, oldest first."""
        if not self._path.exists():
            return []
        return [(entry["action"], entry["arguments"]) for entry in json.loads(self._path.read_text())]

    def done(self, entry: Entry) -> None:
        """Remove an action that has been undone."""
        left = self.entries()
        left.remove(entry)
        if left:
            self._write(left)
        else:
            self._path.unlink(missing_ok=True)

    def _write(self, entries: list[Entry]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_suffix(".new")
        with scratch.open("w") as file:
            json.dump([{"action": action, "arguments": dict(arguments)} for action, arguments in entries], file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._path)
