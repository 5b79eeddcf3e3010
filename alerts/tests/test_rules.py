"""promtool's tests of every alerting rule: firing, not firing, thresholds, missing series, counter resets."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import catalogue
import promtool
import pytest
from alerts.generator.build import alerts
from all_cases import CASES
from series import Case

BY_ALERT: dict[tuple[str, int], list[Case]] = defaultdict(list)
for case in CASES:
    BY_ALERT[case.alert, case.step].append(case)


each_alert = pytest.mark.parametrize(("alert", "step"), sorted(BY_ALERT), ids=lambda value: str(value))


@pytest.mark.timeout(450)  # promtool's own limit comes first
@each_alert
def test_the_rule_fires_when_it_should_and_only_then(alert: str, step: int, tmp_path: Path) -> None:
    held, words = promtool.run(BY_ALERT[alert, step], promtool.rules_for(alert), tmp_path)
    assert held, f"{alert}:\n{words}"


@pytest.mark.timeout(450)  # promtool's own limit comes first
@each_alert
def test_the_rule_is_the_same_in_prometheus_3(alert: str, step: int, tmp_path: Path) -> None:
    program = promtool.of_prometheus_3()
    if not program.is_file():
        pytest.skip("not built here: python -m platformctl.dev.tools prometheus")
    held, words = promtool.run(BY_ALERT[alert, step], promtool.rules_for(alert), tmp_path, str(program))
    assert held, f"{alert}:\n{words}"


def test_every_rule_has_cases_that_fire_and_cases_that_dont() -> None:
    for rule in alerts(catalogue.load()):
        counts = [count for case in CASES if case.alert == rule.name for count in case.fires.values()]
        assert any(counts), f"no case expects {rule.name} to fire"
        # The Watchdog always fires.
        assert 0 in counts or rule.name == "Watchdog", f"no case expects {rule.name} not to fire"
