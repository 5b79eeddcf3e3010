"""Constructors, start at zero, and the maximum number of series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django_prometheus.middleware import Metrics
from django_telemetry import metrics
from django_telemetry._http_metrics import http_metrics
from django_telemetry.edges import OUTCOMES, declare
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

from .harness import grown, sample


def test_a_metric_is_created_once_however_often_it_is_requested() -> None:
    first = metrics.counter("made_once_total", "x", ["a"])
    assert metrics.counter("made_once", "x", ["a"]) is first


def test_counters_start_at_zero() -> None:
    counter = metrics.counter("started", "x", ["a", "b"])
    metrics.start_at_zero(counter, ("1", "2"), ("3",))
    assert REGISTRY.get_sample_value("started_total", {"a": "2", "b": "3"}) == 0


def test_an_edge_starts_at_zero_for_every_outcome() -> None:
    declare("warehouse", "http", "GET /x")
    for outcome in OUTCOMES:
        labels = {"dependency": "warehouse", "protocol": "http", "operation": "GET /x", "outcome": outcome}
        assert REGISTRY.get_sample_value("dependency_call_duration_seconds_count", labels) == 0
    labels = {"dependency": "warehouse", "protocol": "http", "operation": "GET /x"}
    assert REGISTRY.get_sample_value("dependency_retries_total", labels) == 0


def test_requests_are_added_to_the_http_families_before_these_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Depends on the registry's collection order. In any other order a scrape would miss the latest requests."""
    tallies, families = http_metrics(), {id(family): family for family in vars(Metrics.get_instance()).values()}
    collected: list[Any] = []

    def recording(collector: Any) -> Callable[[], list[Metric]]:
        def collect() -> list[Metric]:
            collected.append(collector)
            return []

        return collect

    for collector in (tallies, *families.values()):
        monkeypatch.setattr(collector, "collect", recording(collector))
    list(REGISTRY.collect())
    assert collected[0] is tallies
    assert {id(collector) for collector in collected[1:]} == families.keys()


def test_a_series_that_is_ensured_starts_at_zero_and_keeps_its_count() -> None:
    family = metrics.Family(metrics.counter("ensured", "x", ["who"]))
    family.ensure("a")
    assert sample("ensured_total", who="a") == 0
    family[("a",)].inc()
    family.ensure("a")
    assert sample("ensured_total", who="a") == 1


def test_series_above_the_maximum_share_one() -> None:
    counter = metrics.counter("capped", "x", ["who"])
    family = metrics.Family(counter, limit=3)
    with grown("telemetry_series_overflow_total", 7, family="capped"):
        for number in range(10):
            family[(str(number),)].inc()
    assert sample("capped_total", who="2") == 1
    assert sample("capped_total", who=metrics.OVERFLOW) == 7
    assert REGISTRY.get_sample_value("capped_total", {"who": "3"}) is None
    family[("0",)].inc()
    assert sample("capped_total", who="0") == 2
