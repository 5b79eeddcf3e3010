"""The metrics catalogue is complete and correct: it has every metric that is queried or emitted."""

from __future__ import annotations

from collections import defaultdict

import grafana
import metrics_catalogue
import promql
import pytest
import rules
from backends import Backends

TYPES = {"counter", "gauge", "histogram", "summary"}
# Series that Prometheus creates itself.
OWN = {"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"}
OWN |= {"scrape_samples_post_metric_relabeling"}


def queried() -> dict[str, list[str]]:
    """Each metric name that a dashboard queries, with its locations."""
    found: dict[str, list[str]] = defaultdict(list)
    for panel in grafana.panels():
        for target in panel.targets():
            for name in promql.selected(target["expr"]) if "expr" in target else ():
                found[name].append(panel.where)
    for uid, board in grafana.boards().items():
        for variable in grafana.variables(board).values():
            if variable["type"] == "query":
                selector = variable["query"]["query"].removeprefix("label_values(").rpartition(", ")[0]
                for name in promql.selected(selector):
                    found[name].append(f"{uid}: variable {variable['name']}")
        for annotation in board["annotations"]["list"]:
            for name in promql.selected(annotation["expr"]) if "expr" in annotation else ():
                found[name].append(f"{uid}: annotation {annotation['name']}")
    return found


def is_known(name: str) -> bool:
    return name in OWN | rules.records() | metrics_catalogue.samples() or (
        not name.replace("_", "").replace(":", "").isalnum() and metrics_catalogue.covers(name)
    )


def test_every_metric_of_a_dashboard_is_in_the_catalogue_or_recorded_by_a_rule() -> None:
    unknown = {name: places for name, places in queried().items() if not is_known(name)}
    assert not unknown, "\n".join(f"{name} — {places[0]}" for name, places in sorted(unknown.items()))


def test_every_metric_of_a_rule_is_in_the_catalogue_or_recorded_by_a_rule() -> None:
    unknown = {
        f"{name} — {rule.get('alert') or rule.get('record')}"
        for rule in rules.every()
        for name in promql.selected(rule["expr"])
        if not is_known(name)
    }
    assert not unknown, "\n".join(sorted(unknown))


def test_the_check_detects_an_unknown_metric() -> None:
    assert not is_known("dependency_call_duration_secs_count")
    assert not is_known("edge:calls:rate2m")
    assert is_known("rabbitmq_alarms_.*")
    assert not is_known("rabbitmq_warnings_.*")


def test_an_entry_has_a_type_a_unit_and_a_meaning() -> None:
    for family in metrics_catalogue.families():
        assert family.type in TYPES, family
        assert family.unit, family
        assert family.meaning.endswith("."), family
        if family.type == "counter" and family.job == "django":
            assert family.name.endswith("_total"), f"{family.name}: counters of ours end in _total"


@pytest.mark.live
def test_every_family_of_the_catalogue_is_emitted_with_these_labels(faults: None, backends: Backends) -> None:
    wrong = []
    for family in metrics_catalogue.families():
        name = f"{family.name}_count" if family.type in {"histogram", "summary"} else family.name
        series = backends.series(f'{name}{{job="{family.job}"}}')
        if not series:
            if not family.appears:
                wrong.append(f"{family.name} of job {family.job}: no series")
            continue
        labels = {label for one in series for label in one} - metrics_catalogue.TARGET_LABELS
        labels -= metrics_catalogue.PART_LABELS
        # Backends add further labels that differ by version; our own metrics have exactly these.
        expected = set(family.labels)
        if not (labels == expected if family.job == "django" else labels >= expected):
            wrong.append(f"{family.name} of job {family.job}: expected labels {sorted(expected)}, got {sorted(labels)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.live
def test_every_family_has_the_type_that_it_is_emitted_with(backends: Backends) -> None:
    emitted = backends.metadata()
    wrong = []
    for family in metrics_catalogue.families():
        # OpenMetrics names a counter's family without the suffix of its sample.
        types = emitted.get(family.name) or emitted.get(family.name.removesuffix("_total")) or {family.type}
        if family.type not in types and types != {"unknown"}:
            wrong.append(f"{family.name}: expected {family.type}, got {', '.join(sorted(types))}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.live
def test_nothing_that_our_services_emit_is_missing_from_the_catalogue(faults: None, backends: Backends) -> None:
    known = {name for family in metrics_catalogue.families() if family.job == "django" for name in family.samples()}
    emitted = {series["__name__"] for series in backends.series('{job="django"}')}
    # OpenMetrics adds a creation time to every counter and histogram; it isn't a metric of the service.
    missing = {name for name in emitted - known - OWN if not name.endswith("_created")}
    assert not missing, f"add to the metrics.yaml of the service: {', '.join(sorted(missing))}"
