"""Drills, from load/drills/*.yaml."""

from __future__ import annotations

from typing import Any

import yaml

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

FOLDER = ROOT / "load" / "drills"
_INTRODUCTION = """\
# Drills

A drill breaks one thing on the running platform and measures what alerting does. A control does something harmless, and
nothing may page. Results: [measurements](../measurements.md).
"""


def page() -> str:
    """The page."""
    documents: dict[str, dict[str, Any]] = {
        path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))
    }
    faults = [
        (code(name), drill["title"], _alerts(drill["expect"]), code(drill["expect"]["root"]))
        for name, drill in documents.items()
        if "expect" in drill
    ]
    controls = [(code(name), drill["title"]) for name, drill in documents.items() if "expect" not in drill]
    return "\n".join(
        [
            _INTRODUCTION,
            "## Faults\n",
            table(("drill", "fault", "expected alert", "expected cause"), faults),
            "## Controls\n",
            table(("control", "what happens"), controls),
        ]
    )


def _alerts(expect: dict[str, Any]) -> str:
    return " or ".join(_linked(alert) for alert in expect["alerts"])


def _linked(alert: str) -> str:
    has_runbook = (ROOT / "alerts" / "runbooks" / f"{alert}.md").is_file()
    return f"[{alert}](alerts/runbooks/{alert}.md)" if has_runbook else alert
