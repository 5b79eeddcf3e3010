"""Requirements for every rule, its labels, annotations, expression and runbook."""

from __future__ import annotations

import re
import subprocess

import catalogue
import pytest
import yaml
from alerts.generator.build import FOLDER, alerts, files, groups
from alerts.generator.model import Alert, Record, seconds
from alerts.generator.thresholds import load
from catalogue import graph

CATALOGUE = catalogue.load()
ALERTS = alerts(CATALOGUE)
RUNBOOKS = FOLDER / "runbooks"
LABELS = {"layer", "severity", "team", "root_service"}
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard_url", "traces_url", "logs_url"}
SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def test_generated_files_are_current() -> None:
    stale = [path.name for path, text in files(CATALOGUE).items() if not path.exists() or path.read_text() != text]
    assert not stale, f"run python -m alerts.generator: {stale}"


def test_every_rules_file_is_generated() -> None:
    assert set((FOLDER / "rules").glob("*")) == {path for path in files(CATALOGUE) if path.parent.name == "rules"}


@pytest.mark.parametrize("path", sorted((FOLDER / "rules").glob("*.yml")), ids=lambda path: path.name)
def test_promtool_accepts_the_file(path: object) -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint-fatal", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(
        ["amtool", "check-config", str(FOLDER / "alertmanager.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_alert
def test_an_alert_is_named_labelled_and_described(alert: Alert) -> None:
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert.name)
    assert set(alert.labels) >= LABELS
    assert alert.labels["layer"] in ("symptom", "cause", "telemetry")
    assert alert.labels["severity"] in ("page", "ticket", "info")
    assert "{{" in alert.labels["team"] or alert.labels["team"] in graph.teams(CATALOGUE)
    assert set(alert.annotations) == ANNOTATIONS
    assert "{{" not in alert.annotations["summary"], "the summary is static: it is the title of the whole group"
    assert not alert.annotations["summary"].endswith(".")
    assert alert.annotations["description"].endswith(".")


@each_alert
def test_an_alert_links_to_its_own_runbook(alert: Alert) -> None:
    assert alert.annotations["runbook_url"].endswith(f"/{alert.name}")
    text = (RUNBOOKS / f"{alert.name}.md").read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert tuple(re.findall(r"^## (.*)$", text, re.M)) == SECTIONS


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in ALERTS}


@each_alert
def test_no_label_holds_a_value(alert: Alert) -> None:
    assert not [value for value in alert.labels.values() if "$value" in value], (
        "each value would become a separate alert"
    )


@each_alert
def test_an_expression_avoids_known_traps(alert: Alert) -> None:
    assert not re.search(r"\babsent\(", alert.expr) or alert.lasting != "0s", (
        "absent() without `for` fires at each restart"
    )
    assert not re.search(r"rate\([^()]*\)\s*/\s*rate\(", alert.expr), "an unguarded ratio divides by zero"
    assert not re.search(r"\bi?rate\((process_resident|up\b|pg_|rabbitmq_detailed_queue)", alert.expr), (
        "rate() of a gauge"
    )


def test_every_threshold_is_used_and_has_a_reason() -> None:
    groups(CATALOGUE)
    text = "".join(path.read_text() for path in sorted((FOLDER / "src/alerts/generator").glob("*.py")))
    limits = load()
    # The names of these are completed with a protocol.
    unused = [name for name in limits if name not in text and not name.startswith("edge_slow_seconds_")]
    assert unused == ["watchdog_silence_seconds"], "only the watchdog's own threshold is used outside of the rules"
    assert all(len(threshold.reason) > 20 for threshold in limits.entries.values())


def test_recorded_names_follow_level_metric_operation() -> None:
    records = [
        rule
        for file in groups(CATALOGUE).values()
        for group in file
        for rule in group.rules
        if isinstance(rule, Record)
    ]
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+|[a-z]+:[a-z_]+", record.name) for record in records)


def test_the_watchdogs_silence_threshold_is_the_documented_one() -> None:
    from platform_watchdog.settings import Settings

    limits = yaml.safe_load((FOLDER / "thresholds.yaml").read_text())["thresholds"]
    assert Settings().silence == limits["watchdog_silence_seconds"]["value"]


def test_every_node_of_the_catalogue_can_inhibit_alerts_of_its_dependents() -> None:
    document = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    sources = {matcher for rule in document["inhibit_rules"] for matcher in rule["source_matchers"]}
    assert all(f'service="{name}"' in sources for name in graph.nodes(CATALOGUE))


def test_a_shared_dependency_resolves_after_the_alerts_that_it_explains() -> None:
    """The outbox drains some seconds after the broker is up again; until then its alert would page if not inhibited."""
    kept = {alert.name: seconds(alert.keep) for alert in ALERTS if alert.labels["layer"] == "cause" and alert.keep}
    backends = {"PostgresDown", "BrokerDown", "BrokerBlocksPublishers", "EdgeProxyDown"}
    longest = max(lasts for name, lasts in kept.items() if name not in backends)
    assert {name: kept[name] for name in backends if kept[name] < longest + 20} == {}
