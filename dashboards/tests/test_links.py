"""Links and log queries refer to existing dashboards, runbooks, services, log fields and processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import catalogue
import grafana
import pytest
import requests
import rules
from platformctl.app import Platform

ROOT = Path(__file__).resolve().parents[2]
BOARDS = grafana.boards()
PANELS = grafana.panels()
TEMPLATE = ROOT / "observability" / "elasticsearch" / "index-templates" / "logs-django.json"
_FIELD = re.compile(r"(?<![\w.])([a-z_@][\w.]*[\w])\s*(?=:|>=|<=)")
_PROCESS = re.compile(r'process\.name:\(?((?:"[\w-]+"(?: or | OR )?)+)')


def links() -> Iterator[tuple[str, str]]:
    """The location and URL of each link."""
    for panel in PANELS:
        for link in panel.links():
            yield panel.where, link["url"]
    for uid, board in BOARDS.items():
        for link in board["links"]:
            if link["type"] == "link":
                yield uid, link["url"]


def log_queries() -> Iterator[tuple[str, str]]:
    """The location and text of each log query: of links (KQL) and of panels (Lucene)."""
    for where, url in links():
        match = re.search(r"query:'(.*)'\)", unquote(url))
        if match and url.startswith("${kibana_url}"):
            yield where, match[1]
    for panel in PANELS:
        for target in panel.targets():
            if "query" in target:
                yield panel.where, target["query"]


def mapped_fields() -> set[str]:
    """The fields that the index template maps, by their dotted names."""
    document = json.loads(TEMPLATE.read_text())["template"]["mappings"]["properties"]

    def names(properties: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for name, body in properties.items():
            if "properties" in body:
                yield from names(body["properties"], f"{prefix}{name}.")
            else:
                yield prefix + name

    return set(names(document))


def test_links_to_dashboards_lead_to_one_that_has_the_variables() -> None:
    faults = []
    for where, url in links():
        if not url.startswith("/d/"):
            continue
        uid = urlsplit(url).path.removeprefix("/d/")
        if uid not in BOARDS:
            faults.append(f"{where}: there is no dashboard {uid}")
            continue
        carried = set(re.findall(r"\$\{(\w+):queryparam\}", url)) | set(re.findall(r"var-(\w+)=", url))
        unknown = carried - set(grafana.variables(BOARDS[uid]))
        faults += [f"{where}: {uid} has no variable {name}" for name in sorted(unknown)]
    assert not faults, "\n".join(faults)


def test_links_to_runbooks_lead_to_an_alert_that_has_one() -> None:
    alerts = rules.alerts()
    faults = set()
    for _, url in links():
        name = url.partition("/runbooks/")[2]
        if not name or name.startswith("$"):
            continue
        if name not in alerts:
            faults.add(f"no rule is called {name}")
        elif not (ROOT / "alerts" / "runbooks" / f"{name}.md").is_file():
            faults.add(f"{name} has no runbook")
    assert not faults, "\n".join(sorted(faults))


def test_links_to_traces_name_a_service_of_the_catalogue_or_of_the_series() -> None:
    known = set(catalogue.load().services)
    for where, url in links():
        if "/search?" in url:
            service = parse_qs(urlsplit(url.replace("${jaeger_url}", "")).query)["service"][0]
            assert service in known or service.startswith("${__"), f"{where}: {service}"


def test_links_to_other_programs_use_the_address_variables() -> None:
    for where, url in links():
        assert url.startswith(("/d/", "${console_url}/", "${jaeger_url}/", "${kibana_url}/")), f"{where}: {url}"


def test_log_queries_use_mapped_fields() -> None:
    known = mapped_fields() | {"_exists_"}
    faults = {
        f"{where}: {field} is not in {TEMPLATE.name}"
        for where, query in log_queries()
        for field in _FIELD.findall(re.sub(r'"[^"]*"|\$\{[^}]*\}', '""', query))
        if field not in known
    }
    assert not faults, "\n".join(sorted(faults))


def test_columns_and_groups_of_log_panels_are_mapped_fields() -> None:
    known = mapped_fields()
    for panel in PANELS:
        for target in panel.targets():
            for aggregation in target.get("bucketAggs", []):
                assert aggregation["field"] in known, f"{panel.where}: {aggregation['field']}"
        if panel.targets()[0].get("metrics", [{}])[0].get("type") == "raw_data":
            include = next(change for change in panel.body["transformations"] if change["id"] == "filterFieldsByName")
            assert set(include["options"]["include"]["names"]) <= known, panel.where


def test_log_queries_name_existing_processes() -> None:
    known = set(Platform().processes)
    faults = {
        f"{where}: there is no process {name}"
        for where, query in log_queries()
        for names in _PROCESS.findall(query)
        for name in re.findall(r'"([\w-]+)"', names)
        if name not in known
    }
    assert not faults, "\n".join(sorted(faults))


@pytest.mark.live
def test_jaeger_finds_traces_of_every_service_that_a_link_can_name(platform: Platform) -> None:
    for service in platform.catalogue.services:
        answer = requests.get(
            f"{platform.url('JAEGER_QUERY_PORT')}/api/traces", params={"service": service, "limit": "1"}, timeout=10
        )
        assert answer.json()["data"], f"expected a trace of {service}, got none; see {answer.url}"
