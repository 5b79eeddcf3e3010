"""The rules on the running platform: every selector finds series, every link target exists, every command works."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import catalogue
import pytest
import requests
from alerts.generator.build import FOLDER, alerts, groups, views
from alerts.generator.describe import ADDRESSES
from platform_testing.polling import eventually
from platformctl import settings as platform_settings
from platformctl.paths import repository_root

pytestmark = pytest.mark.live

CATALOGUE = catalogue.load()
ROOT = repository_root()
# A metric name with optional matchers. Names of functions and labels are excluded by _WORDS.
_SELECTOR = re.compile(r"(?<![\w:\"$.|])([a-zA-Z_][\w]*(?::[\w:]+)?)(\{[^{}]*\})?(?=[\s\[\)\},]|$|\{)")
_WORDS = {
    *("sum", "max", "min", "avg", "count", "group", "by", "on", "ignoring", "group_left", "group_right", "without"),
    *("and", "or", "unless", "bool", "offset", "rate", "increase", "delta", "changes", "absent", "vector", "time"),
    *("label_replace", "histogram_quantile", "min_over_time", "max_over_time", "avg_over_time", "job", "instance"),
    *("count_over_time", "quantile"),
    # Other alerts, none of which fires on a healthy platform.
    "ALERTS",
    *("service", "process", "dependency", "protocol", "outcome", "queue", "reason", "signal", "result", "version"),
    *("le", "status", "datname", "grpc_method", "grpc_code", "rule_group", "integration", "__name__", "s", "m"),
}
# Recorded from responses that a healthy platform doesn't send; the selectors of its own rule are checked too.
_ONLY_IN_FAULTS = {"service_version:http_errors:ratio_rate1m"}
# Matchers of values that exist only during a fault.
_FAULTY = re.compile(r',?\s*(status|state|reason|grpc_code|outcome|result)(=~|!~|!=|=)"[^"]*"')


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Prometheus's URL. Fails if the platform isn't up."""
    port = platform_settings.load(ROOT, CATALOGUE).ports["PROMETHEUS_PORT"]
    address = f"http://127.0.0.1:{port}"
    try:
        requests.get(f"{address}/-/ready", timeout=5).raise_for_status()
    except requests.RequestException as error:
        pytest.fail(f"Prometheus doesn't respond at {address}: run `make up` ({error})")
    return address


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The samples of an instant query."""
    answer = requests.get(f"{address}/api/v1/query", params={"query": expression}, timeout=20)
    assert answer.ok, f"{expression}: {answer.text}"
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """Every metric name with its matchers."""
    # Label lists of clauses look like metric names.
    bare = re.sub(r"\b(?:by|on|ignoring|without|group_left|group_right) \([^()]*\)", " ", expr)
    # A string after = or ~ is a matcher's value; other strings are arguments.
    for match in _SELECTOR.finditer(re.sub(r'([=~]?)"[^"]*"', lambda text: text[0] if text[1] else '""', bare)):
        name, matchers = match[1], match[2] or ""
        if name not in _WORDS and not name.isdigit():
            yield name, matchers


@cache
def wanted() -> list[tuple[str, str]]:
    """The distinct selectors of all rules."""
    found = {
        selector
        for file in groups(CATALOGUE).values()
        for group in file
        for rule in group.rules
        for selector in selectors(rule.expr)
    }
    return sorted(found)


def without_series(address: str) -> list[str]:
    """Selectors that find no series, neither exactly nor without the matchers of fault values."""
    missing = []
    for name, matchers in wanted():
        if name in _ONLY_IN_FAULTS:
            continue
        exact = f"{name}{matchers}"
        relaxed = f"{name}{{{_FAULTY.sub('', matchers.strip('{}')).strip(', ')}}}"
        if not any(query(address, f"last_over_time({each}[15m])") for each in (exact, relaxed)):
            missing.append(exact)
    return missing


@pytest.mark.timeout(300)
def test_every_selector_finds_series(prometheus: str) -> None:
    # After a start, series that are recorded each minute from other recorded series need some minutes.
    eventually(
        lambda: without_series(prometheus),
        "no selector without series",
        accept=lambda missing: not missing,
        timeout=180,
        longest_pause=2,
        look_at=f"{prometheus}/graph",
    )


@pytest.mark.parametrize(("journey", "view"), views().items())
def test_every_journeys_view_is_counted(prometheus: str, journey: str, view: str) -> None:
    expected = CATALOGUE.journeys[journey]
    name = "django_http_responses_total_by_status_view_method_total"
    found = query(prometheus, f'{name}{{service="{expected.service}", view="{view}", method="{expected.method}"}}')
    seen = {entry["metric"]["view"] for entry in query(prometheus, f'{name}{{service="{expected.service}"}}')}
    assert found, f"no {expected.method} at {view}; {expected.service} has {sorted(seen)} (alerts/views.yaml)"


def test_prometheus_runs_the_committed_rules_without_errors(prometheus: str) -> None:
    def loaded() -> list[dict[str, Any]]:
        answer = requests.get(f"{prometheus}/api/v1/rules", timeout=20).json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    eventually(
        loaded,
        "every rule evaluated",
        accept=lambda rules: rules and all(rule["health"] != "unknown" for rule in rules),
        timeout=75,
        look_at=f"{prometheus}/rules",
    )
    broken = [(rule["name"], rule.get("lastError")) for rule in loaded() if rule["health"] == "err"]
    assert not broken, broken
    assert {rule["name"] for rule in loaded() if rule["type"] == "alerting"} == {
        alert.name for alert in alerts(CATALOGUE)
    }


def test_every_link_target_exists() -> None:
    uids = {json.loads(path.read_text())["uid"] for path in (ROOT / "dashboards").glob("*.json")}
    for alert in alerts(CATALOGUE):
        link = alert.annotations["dashboard_url"]
        match = re.search(r"/(platform-[a-z]+)", link)
        assert match, link
        assert match[1] in uids, f"{alert.name}: no dashboard {match[1]} in dashboards/; there are {sorted(uids)}"
        for name, address in ADDRESSES.items():
            annotation = alert.annotations[name.replace("dashboards", "dashboard").replace("runbooks", "runbook")]
            assert f'or $externalLabels.{name} "{address}"' in annotation


def _commands() -> list[tuple[str, str]]:
    found = []
    for path in sorted((FOLDER / "runbooks").glob("*.md")):
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.S):
            found += [(path.stem, line) for line in block.strip().splitlines()]
    return found


def test_every_command_of_every_runbook_works(prometheus: str) -> None:
    """Each distinct command runs once; none of them changes anything."""
    broken = []
    for command in dict.fromkeys(line for _, line in _commands()):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=Path(ROOT),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0 or '"status":"error"' in done.stdout:
            runbooks = [name for name, line in _commands() if line == command]
            broken.append(f"{runbooks}: {command}\n    exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}")
    assert not broken, "\n".join(broken)
