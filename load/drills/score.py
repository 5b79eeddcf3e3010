"""Results of all invocations on one state: the figures and the table."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from load.drills.engine import Result

FOLDER = Path(__file__).parent / "results"
_FIELDS = {field.name for field in fields(Result)}


# Everything that decides the outcome of a drill: services, rules, backends, drills. Neither texts nor dashboards.
DECISIVE = (
    "alerts/alertmanager.yml",
    "alerts/rules/*.yml",
    "load/*.py",
    "load/drills/*.py",
    "load/drills/*.yaml",
    "load/journeys/*.py",
    "observability/django_telemetry/src/**/*.py",
    "observability/elasticsearch/**/*",
    "observability/jaeger/*.yaml",
    "observability/log_pipeline/src/**/*.py",
    "observability/postgres/*",
    "observability/prometheus/*.yml",
    "observability/rabbitmq/*",
    "observability/rsyslog/*",
    "observability/watchdog/src/**/*.py",
    "requirements.lock",
    "services/catalogue/catalogue.yaml",
    "services/*/**/*.py",
)
# The score is excluded: counting differently doesn't change the outcome. So is what the drills don't touch.
IRRELEVANT = ("/tests/", "/console/", "load/drills/score.py", "README.md", "__pycache__")


def digest(root: Path) -> str:
    """Twelve hex digits over the content of everything that decides the outcome of a drill."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in DECISIVE for path in root.glob(pattern)}):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not any(part in f"/{name}" for part in IRRELEVANT):
            total.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def commit(root: Path) -> str:
    """The commit, with + for uncommitted changes; outside of a repository the content of REVISION, or "none"."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    # An image has no git; REVISION contains the commit that it was built from.
    described = ""
    with suppress(OSError):
        described = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    return described or os.environ.get("REVISION") or "none"


@dataclass(frozen=True)
class Revision:
    """The tested state: results with the same digest are summed up. The commit is for readers."""

    digest: str
    commit: str


def revision(root: Path) -> Revision:
    """The revision of this checkout."""
    return Revision(digest(root), commit(root))


def write(results: Sequence[Result], what: Revision, started: datetime, folder: Path = FOLDER) -> Path:
    """Write one invocation's results so far; called after every drill."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{started.strftime('%Y%m%dT%H%M%SZ')}.json"
    document = {
        **asdict(what),
        "started": started.isoformat(),
        "written": datetime.now(UTC).isoformat(),
        "results": [result.document() for result in results],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def read(digest: str | None = None, folder: Path = FOLDER) -> list[Result]:
    """Read the results of every invocation, oldest first; of one digest where it is given."""
    found = []
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        if digest is None or document["digest"] == digest:
            found += [
                Result(**{key: value for key, value in entry.items() if key in _FIELDS})
                for entry in document["results"]
            ]
    return found


def figures(results: Sequence[Result]) -> Mapping[str, Any]:
    """Recall, precision, times, pages per incident, correct cause; each with its number of runs."""
    faults = [result for result in results if not result.control]
    controls = [result for result in results if result.control]
    pages = [result for result in faults if result.severity == "page"]
    noticed = [result for result in faults if result.noticed]
    times = sorted(result.seconds_to_notice for result in pages if result.seconds_to_notice is not None)
    # A page that names another cause, or that a control sent, is a false positive.
    true_pages = sum(min(result.pages, 1) for result in pages if result.named)
    all_pages = sum(result.pages for result in results)
    resolved = [result.seconds_to_resolve for result in noticed if result.seconds_to_resolve is not None]
    kinds = Counter(result.kind for result in faults)
    return {
        "faults": len(faults),
        "controls": len(controls),
        "paging_faults": len(pages),
        "drills": len({result.drill for result in faults}),
        "kinds": len(kinds),
        "kinds_thrice": sum(count >= 3 for count in kinds.values()),
        "control_drills": len({result.drill for result in controls}),
        "pages": all_pages,
        "recall": _share(len(noticed), len(faults)),
        "precision": _share(true_pages, all_pages),
        "seconds_median": statistics.median(times) if times else None,
        "seconds_p95": _p95(times),
        "pages_per_incident": _share(sum(result.pages for result in pages), len(pages)),
        "pages_most": max((result.pages for result in pages), default=0),
        "pages_per_incident_uninhibited": _share(sum(result.pages_uninhibited for result in pages), len(pages)),
        "right_cause_first": _share(sum(result.named for result in faults), len(faults)),
        "noticed": len(noticed),
        "resolved": _share(len(resolved), len(noticed)),
        "resolved_slowest": max(resolved, default=None),
        "controls_quiet": _share(sum(result.pages == 0 for result in controls), len(controls)),
    }


def table(results: Sequence[Result]) -> str:
    """Markdown of the figures and of every run, misses included."""
    lines = ["| figure | value | of |", "| --- | --- | --- |"]
    lines += [f"| {name} | {value} | {runs} |" for name, value, runs in _summary(results)]
    lines += [
        "",
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
    return "\n".join(lines) + "\n"


def _summary(results: Sequence[Result]) -> Iterable[tuple[str, str, str]]:
    """Rows of (figure, value, number of runs)."""
    found = figures(results)
    faults, paging = (f"{found[name]} runs" for name in ("faults", "paging_faults"))
    controls = f"{found['controls']} runs of {found['control_drills']} drills"
    seen = f"{found['noticed']} noticed runs"
    drills = f"{found['faults']} runs of {found['drills']} drills"
    return [
        ("faults noticed (recall)", _number(found["recall"]), drills),
        ("kinds of fault with three runs or more", _number(found["kinds_thrice"]), f"{found['kinds']} kinds"),
        ("pages that name a fault's cause (precision)", _number(found["precision"]), f"{found['pages']} pages"),
        ("right cause named first", _number(found["right_cause_first"]), faults),
        ("seconds from the fault to its page, median", _number(found["seconds_median"]), paging),
        ("seconds from the fault to its page, 95th percentile", _number(found["seconds_p95"]), paging),
        ("pages for one incident", _number(found["pages_per_incident"]), paging),
        ("pages for one incident, most", _number(found["pages_most"]), paging),
        ("pages for one incident, inhibition off", _number(found["pages_per_incident_uninhibited"]), paging),
        ("resolved notification received while the drill waited", _number(found["resolved"]), seen),
        ("seconds from the end of the fault to resolved, slowest of those", _number(found["resolved_slowest"]), seen),
        ("controls that paged no team", _number(found["controls_quiet"]), controls),
    ]


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None


def _p95(ordered: Sequence[float]) -> float | None:
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    return round(statistics.quantiles(ordered, n=20, method="inclusive")[-1], 1)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
