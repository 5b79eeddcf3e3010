"""The services' pages: what Prometheus reports, and what is shown without an answer."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.topology.conftest import PrometheusStub


def text(client: Client, path: str) -> str:
    """Return a page's text without tags, with white space collapsed."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def island(client: Client, path: str, name: str) -> dict[str, Any]:
    """Return the JSON that a page embeds for its script."""
    html = client.get(path).content.decode()
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found, f"no {name} in {path}"
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_map_is_shown_before_prometheus_answers(viewer_client: Client) -> None:
    graph = island(viewer_client, "/services", "map-graph")
    nodes = {node["name"] for node in graph["nodes"]}
    assert {"orders", "payments", "postgresql", "rabbitmq"} <= nodes


def test_edges_show_rate_and_duration(viewer_client: Client, prometheus: PrometheusStub) -> None:
    shown = text(viewer_client, "/topology/state")
    assert "orders payments http 10/s 0 % 250 ms" in shown
    assert "orders notifications events 2/s 0 %" in shown


def test_a_failing_edge_is_marked(viewer_client: Client, prometheus: PrometheusStub) -> None:
    edge = {"service": "orders", "dependency": "payments", "protocol": "http"}
    prometheus.answers["edge:calls_by_outcome:rate1m"] = [(edge, 3.0)]
    assert "10/s 30 % 250 ms" in text(viewer_client, "/topology/state")
    state = island(viewer_client, "/topology/state", "map-state")
    states = {edge["key"]: edge["state"] for edge in state["edges"]}
    assert states["orders|payments|http"] == "crit"
    assert states["orders|users|http"] == "idle"


@pytest.mark.parametrize(("failed", "state"), [(0.0, "ok"), (0.0099, "ok"), (0.01, "warn"), (0.1, "crit")])
def test_the_marks_follow_the_limit_of_the_alert(
    viewer_client: Client, prometheus: PrometheusStub, failed: float, state: str
) -> None:
    edge = {"service": "orders", "dependency": "payments", "protocol": "http"}
    prometheus.answers["edge:calls_by_outcome:rate1m"] = [(edge, 10 * failed)]
    edges = island(viewer_client, "/topology/state", "map-state")["edges"]
    assert next(e["state"] for e in edges if e["key"] == "orders|payments|http") == state


def test_figures_are_those_of_the_whole_time_range(viewer_client: Client, prometheus: PrometheusStub) -> None:
    """A fault five minutes ago is visible in the last hour."""
    viewer_client.get("/topology/state?from=now-1h&to=now")
    queries = [asked["query"] for asked in prometheus.asked]
    of_edges = [query for query in queries if "edge:" in query or "service:http" in query or "queue:" in query]
    assert of_edges
    assert all("[3600s]" in query for query in of_edges)
    assert "last hour" in text(viewer_client, "/services")
    assert "last minute" not in text(viewer_client, "/services")


def test_a_service_blamed_by_an_alert_is_marked_and_links_to_the_runbook(
    viewer_client: Client, prometheus: PrometheusStub
) -> None:
    labels = {"alertname": "EdgeErrors", "severity": "page", "service": "orders", "root_service": "payments"}
    prometheus.answers["ALERTS"] = [(labels, 1.0)]
    answer = viewer_client.get("/topology/state").content.decode()
    assert 'href="/runbooks/EdgeErrors"' in answer
    assert island(viewer_client, "/topology/state", "map-state")["nodes"]["payments"] == "crit"


def test_a_ticket_is_not_shown_as_a_page(viewer_client: Client, prometheus: PrometheusStub) -> None:
    labels = {"alertname": "TelemetryLost", "severity": "ticket", "service": "orders", "root_service": "orders"}
    prometheus.answers["ALERTS"] = [(labels, 1.0)]
    assert island(viewer_client, "/topology/state", "map-state")["nodes"]["orders"] == "warn"


def test_a_past_moment_is_queried_at_its_time(viewer_client: Client, prometheus: PrometheusStub) -> None:
    viewer_client.get("/topology/state?from=1700000000000&to=1700003600000")
    assert {asked["time"] for asked in prometheus.asked} == {"1700003600.000"}


def test_a_failing_prometheus_shows_a_note(viewer_client: Client, prometheus: PrometheusStub) -> None:
    prometheus.status = 503
    for path in ("/topology/state", "/topology/orders/state", "/topology/orders/charts"):
        answer = viewer_client.get(path)
        assert answer.status_code == 200
        assert 'data-backend-down="prometheus"' in answer.content.decode()
    assert viewer_client.get("/services/orders").status_code == 200


def test_the_page_of_a_service_shows_owner_and_links(viewer_client: Client) -> None:
    html = viewer_client.get("/services/orders?from=now-3h").content.decode()
    assert "checkout" in html
    for link in (
        'href="/traces?service=orders&amp;from=now-3h&amp;to=now"',
        'href="/traces?service=orders&amp;error=true&amp;from=now-3h&amp;to=now"',
        'href="/logs?query=service.name%3A%22orders%22&amp;from=now-3h&amp;to=now"',
        'href="/d/platform-service?var-service=orders&amp;from=now-3h&amp;to=now"',
        'href="/services/payments"',
    ):
        assert link in html, link


def test_the_state_of_a_service_has_version_replicas_and_budget(
    viewer_client: Client, prometheus: PrometheusStub
) -> None:
    prometheus.answers["slo:objective:ratio"] = [({"journey": "place-order", "slo": "availability"}, 0.995)]
    prometheus.answers["slo:error_budget_left"] = [({"journey": "place-order", "slo": "availability"}, -0.2)]
    shown = text(viewer_client, "/topology/orders/state")
    assert "orders 127.0.0.1:8103 1.4.2" in shown
    assert "Place an order availability 99.5 % -20 %" in shown


def test_a_replica_that_is_down_is_shown_as_down(viewer_client: Client, prometheus: PrometheusStub) -> None:
    replica = {"service": "orders", "process": "orders", "instance": "127.0.0.1:8103"}
    prometheus.answers["(up{"] = [(replica, 0.0)]
    assert "1.4.2 down" in text(viewer_client, "/topology/orders/state")
    assert island(viewer_client, "/topology/state", "map-state")["nodes"]["orders"] == "crit"


def test_charts_have_exemplars_that_open_the_trace(viewer_client: Client, prometheus: PrometheusStub) -> None:
    trace_id = "a" * 32
    prometheus.answers["service:http_duration_seconds:p95_1m"] = [({"service": "orders"}, 0.2)]
    prometheus.exemplars = [
        {"seriesLabels": {}, "exemplars": [{"labels": {"trace_id": trace_id}, "value": "0.7", "timestamp": 1.8e9}]}
    ]
    chart = island(viewer_client, "/topology/orders/charts", "node-chart-duration")
    assert [series["name"] for series in chart["series"]] == ["p95"]
    assert chart["exemplars"] == [{"time": 1800000000000, "value": 0.7, "url": f"/traces/{trace_id}"}]


def test_an_external_dependency_shows_its_callers(viewer_client: Client, prometheus: PrometheusStub) -> None:
    html = viewer_client.get("/services/postgresql").content.decode()
    assert 'href="/services/orders"' in html
    assert 'href="/d/platform-databases?' in html
    assert viewer_client.get("/topology/postgresql/charts").status_code == 200


@pytest.mark.parametrize("path", ["/services/unknown", "/topology/unknown/state", "/topology/unknown/charts"])
def test_a_name_missing_from_the_catalogue_is_not_found(viewer_client: Client, path: str) -> None:
    assert viewer_client.get(path).status_code == 404


def test_a_name_cannot_leave_its_place_in_a_query(viewer_client: Client, prometheus: PrometheusStub) -> None:
    answer = viewer_client.get('/topology/orders"} or up{x="/charts')
    assert answer.status_code == 404
    assert not prometheus.asked
