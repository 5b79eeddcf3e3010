"""rsyslog's counters as shipper, from its impstats file: one JSON object a line after a date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Enough for several rounds of all its counters.
TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Shipper:
    """The latest counters: waiting lines by queue, processed and failed by action. `at` is the file's time or 0.

    `delivered` is the number of lines that the destination accepted or already had; None without figures.
    """

    at: float = 0.0
    queues: Mapping[str, int] = field(default_factory=dict)
    processed: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    delivered: int | None = None


def read(path: Path) -> Shipper:
    """Read the last value of each counter in the file."""
    try:
        at = path.stat().st_mtime
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return Shipper()
    queues: dict[str, int] = {}
    processed: dict[str, int] = {}
    failed: dict[str, int] = {}
    delivered: int | None = None
    for line in lines:
        start = line.find("{")
        try:
            entry = json.loads(line[start:]) if start >= 0 else {}
        except ValueError:
            continue
        name, origin = entry.get("name", ""), entry.get("origin", "")
        if origin == "core.queue":
            queues[name] = int(entry.get("size", 0))
        elif origin == "core.action" and "processed" in entry:
            processed[name] = int(entry["processed"])
            failed[name] = int(entry.get("failed", 0))
        elif origin == "omelasticsearch":
            delivered = int(entry.get("response.success", 0)) + int(entry.get("response.duplicate", 0))
    return Shipper(at, queues, processed, failed, delivered)
