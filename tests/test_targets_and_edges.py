"""Prometheus's scrape targets and the edges seen in traffic, compared with the catalogue."""

from __future__ import annotations

import time
from dataclasses import fields

import pytest
from catalogue import Catalogue
from platform_testing.polling import eventually
from platformctl.app import Platform

from tests.support.expect import expect
from tests.support.jaeger import Jaeger
from tests.support.prometheus import Prometheus
from tests.support.shop import Shop, Urls

Edges = set[tuple[str, str, str]]
# The services whose edges an order uses, all of them.
SHOP = {field.name for field in fields(Urls)}
LOOKBACK_SECONDS = 3600
# The job that fills Jaeger's graph runs each minute.
GRAPH_WITHIN_SECONDS = 150


@pytest.fixture(scope="module")
def traffic(shop: Shop) -> None:
    """One order of each kind, so that every edge has been used since the platform started."""
    customer = shop.new_customer()
    customer.order(shop.items())
    declined = customer.try_to_order(shop.items(), card="tok_declined")
    expect(declined.status_code == 402, "402", declined.status_code, f"{shop.urls.orders}/api/docs/")
    customer.notifications()


def test_every_process_of_the_catalogue_runs(platform: Platform) -> None:
    states = {status.name: status.health for status in platform.runner.list(with_memory=False)}
    for process in platform.catalogue.processes():
        health = states.get(process.name, "missing")
        expect(health in ("ready", "running"), f"{process.name} ready", health, "make status")


def test_every_target_is_up(prometheus: Prometheus) -> None:
    eventually(
        lambda: [target for target in prometheus.targets() if target.health != "up"],
        "no target that isn't up",
        accept=lambda missing: not missing,
        look_at=f"{prometheus.url}/targets",
        timeout=40,
    )


def test_every_process_of_the_catalogue_is_scraped_under_its_name(platform: Platform, prometheus: Prometheus) -> None:
    wanted = {(process.service, process.name) for process in platform.catalogue.processes()}
    actual = {(target.service, target.process) for target in prometheus.targets() if target.job == "django"}
    expect(actual == wanted, f"targets of job django: {sorted(wanted)}", sorted(actual), f"{prometheus.url}/targets")


def test_every_backend_is_scraped(prometheus: Prometheus) -> None:
    wanted = {"jaeger", "spanmetrics", "rabbitmq", "postgres", "prometheus", "alertmanager", "toxiproxy"}
    actual = {target.job for target in prometheus.targets()}
    expect(wanted <= actual, f"jobs {sorted(wanted)}", sorted(actual), f"{prometheus.url}/targets")


@pytest.mark.usefixtures("traffic")
def test_the_edges_that_callers_measure_are_those_of_the_catalogue(platform: Platform, prometheus: Prometheus) -> None:
    wanted: Edges = {(e.caller, e.callee, e.protocol) for e in platform.catalogue.edges() if e.caller in SHOP}
    # Edges of services that these tests don't call, and of operators', which depend on what they viewed: never more
    # than the catalogue has.
    possible = {(e.caller, e.callee, e.protocol) for e in platform.catalogue.edges()} - wanted
    # Series of possible calls start at 0: an edge is one that was used.
    query = "sum by (service, dependency, protocol) (dependency_call_duration_seconds_count) > 0"

    def measured() -> Edges:
        return {(labels["service"], labels["dependency"], labels["protocol"]) for labels, _ in prometheus.query(query)}

    eventually(
        measured,
        f"the edges {sorted(wanted)}",
        accept=lambda actual: actual - possible == wanted,
        look_at=prometheus.graph_url(query),
        timeout=30,
    )


def service_edges(catalogue: Catalogue) -> set[tuple[str, str]]:
    """(caller, callee) of every edge: calls, and events from publisher to consumer."""
    return {(edge.caller, edge.callee) for edge in catalogue.edges()} | catalogue.event_edges()


@pytest.mark.usefixtures("traffic")
@pytest.mark.timeout(GRAPH_WITHIN_SECONDS + 60)
def test_jaegers_graph_has_the_catalogues_edges(platform: Platform, jaeger: Jaeger) -> None:
    possible = service_edges(platform.catalogue)
    wanted = {(caller, callee) for caller, callee in possible if caller in SHOP}

    def drawn() -> set[tuple[str, str]]:
        edges = jaeger.dependencies(int(time.time() * 1000), LOOKBACK_SECONDS * 1000)
        # Other senders of spans to this Jaeger (a developer's own service, a test) are not in the catalogue.
        return {(caller, callee) for caller, callee in edges if caller in platform.catalogue.for_customers()}

    eventually(
        drawn,
        f"the edges {sorted(wanted)}",
        accept=lambda actual: wanted <= actual <= possible,
        look_at=f"{jaeger.url}/api/dependencies?endTs={int(time.time() * 1000)}&lookback={LOOKBACK_SECONDS * 1000}",
        timeout=GRAPH_WITHIN_SECONDS,
        longest_pause=5,
    )
