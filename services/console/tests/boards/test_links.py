"""Links of the dashboards lead to pages of this console."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from boards.definitions import parse
from boards.interpolation import Value
from boards.links import Scope, address, build
from django.conf import settings
from shell.timerange import TimeRange

TIMES = TimeRange.between(1_700_000_000, 1_700_003_600)
SCOPE = Scope(TIMES, {"service": Value(("orders",)), "process": Value(("a", "b"))}, {"service": "users"}, "payments")
WINDOW = "from=1700000000000&to=1700003600000"
JAEGER = "${jaeger_url}/search?service=${__field.labels.service}&start=${__from}000&end=${__to}000&lookback=custom"
KIBANA = (
    "${kibana_url}/app/discover#/?_g=(time:(from:'${__from:date:iso}',to:'${__to:date:iso}'))"
    "&_a=(dataSource:(dataViewId:logs-django,type:dataView),query:(language:kuery,query:'QUERY'))"
)


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_a_jaeger_search_becomes_a_search_in_the_console() -> None:
    assert address(JAEGER, SCOPE) == f"/traces?service=users&{WINDOW}"
    failed = address(f"{JAEGER}&tags=%7B%22error%22%3A%22true%22%7D", SCOPE)
    assert query(failed) == {
        "service": ["users"],
        "error": ["true"],
        "from": ["1700000000000"],
        "to": ["1700003600000"],
    }
    assert address("${jaeger_url}/trace/${__value.text}", SCOPE.of({}, "ab" * 16)) == f"/traces/{'ab' * 16}"


def test_a_kibana_search_becomes_a_search_in_the_console() -> None:
    url = address(KIBANA.replace("QUERY", "service.name:%22${__field.labels.service}%22"), SCOPE)
    assert urlsplit(url).path == "/logs"
    assert query(url)["query"] == ['service.name:"users"']
    url = address(KIBANA.replace("QUERY", "service.name:(${service:lucene})%20and%20log.level:%22error%22"), SCOPE)
    assert query(url)["query"] == ['service.name:("orders") and log.level:"error"']


def test_a_dashboard_link_keeps_the_time_and_the_choices() -> None:
    url = address("/d/platform-edges?${__url_time_range}&${service:queryparam}&${process:queryparam}", SCOPE)
    assert url == f"/d/platform-edges?{WINDOW}&var-service=orders&var-process=a&var-process=b"


def test_the_consoles_own_pages_need_no_host() -> None:
    assert address("${console_url}/runbooks/${__value.text}", SCOPE.of({}, "EdgeSlow")) == "/runbooks/EdgeSlow"
    assert address("${console_url}/", SCOPE) == "/"


@pytest.mark.parametrize(
    "evil", ['x"&var-service=y', "../../admin", "javascript:alert(1)", "a#b", "a?b", 'x" or service.name:*', "é /"]
)
def test_a_label_stays_in_its_part_of_the_url(evil: str) -> None:
    scope = SCOPE.of({"service": evil}, evil)
    url = address("/d/platform-service?${__url_time_range}&var-service=${__field.labels.service}", scope)
    assert query(url)["var-service"] == [evil]
    assert query(address(JAEGER, scope))["service"] == [evil]
    runbook = urlsplit(address("${console_url}/runbooks/${__value.text}", scope))
    assert runbook.path.count("/") == 2
    assert not runbook.query
    found = query(address(KIBANA.replace("QUERY", "service.name:%22${__value.text}%22"), scope))["query"][0]
    assert found.count('"') - found.count('\\"') == 2


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example/x", "data:text/html,x"])
def test_an_unknown_url_gives_no_link(url: str) -> None:
    assert build([{"title": "x", "url": url}], SCOPE) == []


def test_a_link_that_needs_a_missing_label_is_left_out() -> None:
    links = [{"title": "Traces", "url": JAEGER}, {"title": "Incidents", "url": "${console_url}/"}]
    assert [link.title for link in build(links, SCOPE.of({}))] == ["Incidents"]


def test_every_link_of_every_dashboard_stays_on_this_console() -> None:
    count = 0
    for path in sorted(Path(settings.DASHBOARDS_DIR).glob("*.json")):
        for panel in parse(json.loads(path.read_text())).panels:
            items = [*panel.links, *panel.defaults.get("links", [])]
            for override in panel.overrides:
                items += [one for item in override["properties"] if item["id"] == "links" for one in item["value"]]
            scope = SCOPE.of({"service": "orders", "dependency": "users"}, "orders")
            built = build(items, scope)
            assert len(built) == len(items), panel.title
            for link in built:
                assert link.url.startswith("/"), link
                assert not link.url.startswith("//"), link
                assert "$" not in link.url.replace("$__all", ""), link
            count += len(built)
    assert count > 500
