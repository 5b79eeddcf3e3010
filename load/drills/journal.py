"""What is broken right now, on disk: written before it is broken, so that whatever happens it can be put right."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entry = tuple[str, Mapping[str, Any]]


class Journal:
    """A small JSON file; gone when nothing is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, action: str, arguments: Mapping[str, Any]) -> None:
        """Note what is about to be done."""
        self._write([*self.entries(), (action, arguments)])

    def entries(self) -> list[Entry]:
        """What is to be undone, oldest first."""
        if not self._path.exists():
            return []
        return [(entry["action"], entry["arguments"]) for entry in json.loads(self._path.read_text())]

    def done(self, entry: Entry) -> None:
        """Strike out what has been undone."""
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
