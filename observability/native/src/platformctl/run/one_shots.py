"""Remembers the inputs with which each one-shot process last succeeded, beside the data that it worked on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from platformctl.run.model import Process


class OneShots:
    """Stores a digest of command and input files. `reset` deletes it together with the data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_current(self, process: Process) -> bool:
        """Whether it is a one-shot that has succeeded with exactly these inputs."""
        record = self._folder / process.name
        return process.one_shot and record.exists() and record.read_text() == _digest(process)

    def succeeded(self, process: Process) -> None:
        """Store a one-shot's inputs; other processes are ignored."""
        if process.one_shot:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / process.name).write_text(_digest(process))


def _digest(process: Process) -> str:
    total = hashlib.sha256("\0".join(process.command).encode())
    for file in process.inputs:
        if file.exists():
            total.update(str(file).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
