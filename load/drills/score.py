"""Results over all invocations on one revision: the figures and the table."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from load.drills.engine import Result

FOLDER = Path(__file__).parent / "results"
_FIELDS = {field.name for field in fields(Result)}


def revision(root: Path) -> str:
    """The commit, with + where something isn't committed; "none" outside of a repository."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip() or "none"


def write(results: Sequence[Result], name: str, started: datetime, folder: Path = FOLDER) -> Path:
    """Write one invocation's results so far; called after every drill."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{started.strftime('%Y%m%dT%H%M%SZ')}.json"
    document = {
        "revision": name,
        "started": started.isoformat(),
        "written": datetime.now(UTC).isoformat(),
        "results": [result.document() for result in results],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def read(name: str | None = None, folder: Path = FOLDER) -> list[Result]:
    """Results of every invocation, of one revision where it is given, oldest first."""
    found = []
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        if name is None or document["revision"] == name:
            found += [
                Result(**{key: value for key, value in entry.items() if key in _FIELDS})
                for entry in document["results"]
            ]
    return found


def figures(results: Sequence[Result]) -> Mapping[str, Any]:
    """Recall, precision, times, pages per incident, right cause; each with its number of runs."""
    faults = [result for result in results if not result.control]
    controls = [result for result in results if result.control]
    pages = [result for result in faults if result.severity == "page"]
    noticed = [result for result in faults if result.noticed]
    times = sorted(result.seconds_to_notice for result in pages if result.seconds_to_notice is not None)
    # A page that names another cause, or that a control sent, is a false one.
    true_pages = sum(min(result.pages, 1) for result in pages if result.named)
    all_pages = sum(result.pages for result in results)
    resolved = [result.seconds_to_resolve for result in noticed if result.seconds_to_resolve is not None]
    return {
        "faults": len(faults),
        "controls": len(controls),
        "recall": _share(len(noticed), len(faults)),
        "precision": _share(true_pages, all_pages),
        "seconds_median": statistics.median(times) if times else None,
        "seconds_p95": _p95(times),
        "pages_per_incident": _share(sum(result.pages for result in pages), len(pages)),
        "pages_most": max((result.pages for result in pages), default=0),
        "pages_per_incident_uninhibited": _share(sum(result.pages_uninhibited for result in pages), len(pages)),
        "right_cause_first": _share(sum(result.named for result in faults), len(faults)),
        "resolved_slowest": max(resolved, default=None),
        "controls_quiet": _share(sum(result.pages == 0 for result in controls), len(controls)),
    }


def table(results: Sequence[Result]) -> str:
    """Markdown: every run, misses included, and the figures."""
    lines = [
        "| drill | expected | noticed | s to notice | first notification | cause named | pages | without "
        "inhibition | s to resolve | users felt it |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        cells: Iterable[Any] = (
            result.drill,
            result.expected,
            ("quiet" if result.pages == 0 else "**paged**")
            if result.control
            else ("yes" if result.noticed else "**no**"),
            _number(result.seconds_to_notice),
            result.first or "–",
            "–" if result.control else ("yes" if result.named else "**no**"),
            result.pages,
            result.pages_uninhibited,
            _number(result.seconds_to_resolve),
            "yes" if result.impact_felt else "no",
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    summary = figures(results)
    lines += ["", f"{summary['faults']} fault runs, {summary['controls']} control runs:"]
    lines += [f"- {name.replace('_', ' ')}: {_number(value)}" for name, value in summary.items()]
    return "\n".join(lines) + "\n"


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None


def _p95(ordered: Sequence[float]) -> float | None:
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    return round(statistics.quantiles(ordered, n=20, method="inclusive")[-1], 1)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
