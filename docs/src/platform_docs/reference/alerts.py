"""Alerts, their rules and runbooks, from alerts/rules and alerts/runbooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

RULES = ROOT / "alerts" / "rules"
RUNBOOKS = ROOT / "alerts" / "runbooks"
THRESHOLDS = ROOT / "alerts" / "thresholds.yaml"
_INTRODUCTION = """\
# Alerts

Each alert has a rule, a runbook, tests that must fire and must not fire, and at least one drill. How they fit
together is explained in [alerting design](../../explanation/alerting.md).

- **severity**: `page` needs someone now, `ticket` within the working day, `info` is for dashboards only.
- **layer**: `symptom` (users feel it), `cause` (a service, edge, queue or database fails), `telemetry` (monitoring
  itself).
- **for**: how long the condition must hold before the alert fires.
"""


def rules(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(group, rule) of every rule of a kind, `alert` or `record`."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if kind in rule:
                    yield group["name"], rule


def pages() -> dict[str, str]:
    """The overview, the expressions, the thresholds, and a page for each runbook."""
    found = {
        "reference/alerts/index.md": _overview(),
        "reference/alerts/rules.md": _expressions(),
        "reference/alerts/thresholds.md": _thresholds(),
    }
    for path in sorted(RUNBOOKS.glob("*.md")):
        found[f"reference/alerts/runbooks/{path.name}"] = path.read_text()
    return found


def _overview() -> str:
    rows = {
        rule["alert"]: (
            _runbook(rule["alert"]),
            rule["labels"]["severity"],
            rule["labels"]["layer"],
            rule.get("for", ""),
            rule["annotations"]["summary"],
        )
        for _, rule in rules("alert")
    }
    return _INTRODUCTION + "\n" + table(("alert", "severity", "layer", "for", "summary"), rows.values())


def _runbook(alert: str) -> str:
    return f"[{alert}](runbooks/{alert}.md)"


def _expressions() -> str:
    parts = ["# Rules\n", "Generated into `alerts/rules/` from the catalogue and `alerts/thresholds.yaml`.\n"]
    for title, kind in (("Alerts", "alert"), ("Recording rules", "record")):
        parts.append(f"## {title}\n")
        group = ""
        for name, rule in rules(kind):
            if name != group:
                group = name
                parts.append(f"### {name}\n")
            parts.append(f"**{rule[kind]}**\n\n```promql\n{rule['expr'].strip()}\n```\n")
    return "\n".join(parts)


def _thresholds() -> str:
    document = yaml.safe_load(THRESHOLDS.read_text())["thresholds"]
    rows = [(code(name), code(entry["value"]), entry["unit"], entry["reason"]) for name, entry in document.items()]
    text = (
        "# Thresholds\n\nEvery number that an alert compares with, from `alerts/thresholds.yaml`, with its reason.\n\n"
    )
    return text + table(("threshold", "value", "unit", "reason"), rows)
