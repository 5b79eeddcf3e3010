"""Runs promtool on test cases, with the rule under test and the recording rules that it uses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from alerts.generator.build import FOLDER
from platformctl.app import Platform
from platformctl.install.locations import Locations
from series import Case

RULES = FOLDER / "rules"
TIMEOUT_SECONDS = 400
_SELECTOR = re.compile(r"\b([a-z_]+)\{([^{}]*)\}")
_EQUAL = re.compile(r'[a-z_]+="[^"]*"')
_RECORDED = re.compile(r"\b[a-z_]+(?::[a-z0-9_]+)+\b")

Rule = dict[str, Any]


@cache
def all_rules() -> tuple[Rule, ...]:
    """All rules of the committed files."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return tuple(rule for document in documents for group in document["groups"] for rule in group["rules"])


def rules_for(alert: str) -> list[Rule]:
    """The alert's rules, preceded by the recording rules that they use, directly or indirectly."""
    wanted = [rule for rule in all_rules() if rule.get("alert") == alert]
    found: list[Rule] = []

    def add(rule: Rule) -> None:
        for name in dict.fromkeys(_RECORDED.findall(rule["expr"])):
            for used in all_rules():
                if used.get("record") == name and used not in found:
                    add(used)
        if rule not in found:
            found.append(rule)

    for rule in wanted:
        add(rule)
    return found


def _records_something(rule: Rule, cases: Sequence[Case]) -> bool:
    """Whether a case has series for the rule. Skipping the other objectives' indicators saves most of the time."""
    if "journey" not in rule.get("labels", {}) or "record" not in rule:
        return True
    selectors = [(name, _EQUAL.findall(matchers)) for name, matchers in _SELECTOR.findall(rule["expr"])]
    return not selectors or any(
        series.startswith(f"{name}{{") and all(matcher in series for matcher in matchers)
        for name, matchers in selectors
        for case in cases
        for series in case.series
    )


def valid(rules: Sequence[Rule], folder: Path) -> tuple[bool, str]:
    """Whether promtool accepts the rules, and its output."""
    file = folder / "check.yml"
    file.write_text(_yaml({"groups": [{"name": f"group-{n}", "rules": [rule]} for n, rule in enumerate(rules)]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def of_prometheus_3() -> Path:
    """The promtool of the release that docker compose runs; `python -m platformctl.dev.tools prometheus` builds it."""
    return Locations(Platform().paths).go_tool("prometheus") / "promtool"


def run(cases: Sequence[Case], rules: Sequence[Rule], folder: Path, program: str = "promtool") -> tuple[bool, str]:
    """Whether all cases pass with these rules, and promtool's output. All cases have the same step."""
    used = [rule for rule in rules if _records_something(rule, cases)]
    # One group, so that at each step every rule is evaluated after the rules that it uses.
    (folder / "rules.yml").write_text(_yaml({"groups": [{"name": "under-test", "rules": used}]}))
    step = f"{cases[0].step}s"
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": step,
        "tests": [
            {
                "name": f"{case.alert}: {case.story}",
                "interval": f"{cases[0].step * 500}ms",
                "input_series": [
                    {"series": series, "values": _between_evaluations(values)} for series, values in case.series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"count(ALERTS{{{_matchers(case)}}}) or vector(0)",
                        "eval_time": f"{second}s",
                        "exp_samples": [{"labels": "{}", "value": count}],
                    }
                    for second, count in case.fires.items()
                ],
            }
            for case in cases
        ],
    }
    tests = folder / "tests.yml"
    tests.write_text(_yaml(document))
    done = subprocess.run(
        [program, "test", "rules", str(tests)], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def _between_evaluations(values: str) -> str:
    """The samples half a step earlier, as scrapes aren't aligned with evaluations.

    A sample that is exactly as old as a rule's window belongs to it in Prometheus 2 and doesn't in Prometheus 3.
    """
    first, *others = values.split()
    return " _ ".join((f"{first} {others[0]}", *others[1:])) if others else first


def _matchers(case: Case) -> str:
    labels = {"alertname": case.alert, "alertstate": "firing", **case.labels}
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())


def _yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, width=1_000_000, allow_unicode=True)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
