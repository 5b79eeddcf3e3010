"""Grafana's data sources refer to each other, to labels and fields that exist, and to documented variables only."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import grafana
import promql
import pytest
import requests
import rules
import yaml
from backends import Backends
from dashboards.builder import queries, variables
from test_links import mapped_fields

FOLDER = Path(__file__).resolve().parents[2] / "observability" / "grafana"
_ENVIRONMENT = re.compile(r"(?<!\$)\$\{?([A-Z][A-Z_]+)\}?")


def provisioned(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "provisioning" / name / "platform.yaml").read_text()))


SOURCES: dict[str, dict[str, Any]] = {source["uid"]: source for source in provisioned("datasources")["datasources"]}


def test_there_is_a_data_source_of_each_kind_that_dashboards_choose_from() -> None:
    kinds = {source["type"] for source in SOURCES.values()}
    wanted = {
        variable["query"]
        for board in grafana.boards().values()
        for variable in grafana.variables(board).values()
        if variable["type"] == "datasource"
    }
    assert wanted == {queries.PROMETHEUS.type_val, queries.LOGS.type_val}
    assert wanted | {"jaeger", "alertmanager"} == kinds


def test_links_between_signals_lead_to_existing_data_sources() -> None:
    mentioned = re.findall(r'"datasourceUid": "(\w+)"', json.dumps(SOURCES))
    assert sorted(mentioned) == ["elasticsearch", "jaeger", "jaeger", "prometheus"]
    assert set(mentioned) <= set(SOURCES)


def test_fields_of_the_log_source_are_mapped() -> None:
    settings = SOURCES["elasticsearch"]["jsonData"]
    fields = {settings["timeField"], settings["logMessageField"], settings["logLevelField"]}
    fields |= {link["field"] for link in settings["dataLinks"]}
    assert fields <= mapped_fields()


def test_a_spans_log_lines_are_found_by_their_trace_id() -> None:
    query = SOURCES["jaeger"]["jsonData"]["tracesToLogsV2"]["query"]
    assert query == 'trace.id:"$${__trace.traceId}"'
    assert "trace.id" in mapped_fields()


def test_a_spans_metrics_are_recorded_by_a_rule() -> None:
    for query in SOURCES["jaeger"]["jsonData"]["tracesToMetrics"]["queries"]:
        assert promql.selected(query["query"].replace("$$__tags", 'service="x"')) <= rules.records(), query["name"]


def test_the_rate_interval_spans_four_of_the_longest_scrapes() -> None:
    document = yaml.safe_load((FOLDER.parent / "prometheus" / "prometheus.yml").read_text())
    own = [job["scrape_interval"] for job in document["scrape_configs"] if "scrape_interval" in job]
    longest = max(int(interval.removesuffix("s")) for interval in [*own, document["global"]["scrape_interval"]])
    assert SOURCES["prometheus"]["jsonData"]["timeInterval"] == f"{longest}s"


def test_every_environment_variable_is_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    texts = [path.read_text() for path in FOLDER.rglob("*.yaml")]
    texts.append((FOLDER / "grafana.ini").read_text())
    # Comments contain examples of variables.
    used = {
        name
        for text in texts
        for line in text.splitlines()
        if not line.lstrip().startswith(("#", ";"))
        for name in _ENVIRONMENT.findall(line)
    }
    assert used
    assert {name for name in used if f"`{name}`" not in readme} == set()


def test_the_home_page_is_a_dashboard_of_this_repository() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(FOLDER / "grafana.ini")
    path = settings["dashboards"]["default_home_dashboard_path"]
    assert path.removeprefix("${GF_DASHBOARDS_PATH}/") in {file.name for file in grafana.files()}


def test_dashboards_are_provisioned_from_files_and_read_only() -> None:
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


def test_addresses_of_other_programs_can_be_set_by_url_parameters() -> None:
    for board in grafana.boards().values():
        for name, (_, url) in variables.ADDRESSES.items():
            variable = grafana.variables(board)[name]
            assert variable["type"] == "textbox"
            assert variable["query"] == url


@pytest.mark.live
def test_exemplars_carry_the_label_that_leads_to_the_trace(backends: Backends) -> None:
    label = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"][0]["name"]
    family = "django_http_requests_latency_seconds_by_view_method_bucket"
    answer = requests.get(
        f"{backends.prometheus}/api/v1/query_exemplars", params={"query": family, **grafana.window()}, timeout=10
    )
    found = [exemplar for series in answer.json()["data"] for exemplar in series["exemplars"]]
    assert found, f"expected exemplars of {family}, got none; see {answer.url}"
    assert all(len(exemplar["labels"][label]) == 32 for exemplar in found)
