"""Backends that give the answers a test sets, and record their queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from backends import elasticsearch, prometheus
from backends.errors import BackendDown
from backends.prometheus import Exemplar, Sample, Series
from boards.definitions import Panel, Target, parse
from django.core.cache import cache
from shell.timerange import TimeRange

NOW = 1_700_000_000.0


@dataclass
class FakePrometheus:
    """Answers every query with the same series; `labels` are the values of each label."""

    labels: dict[str, list[str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    kept: list[Exemplar] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    is_down: bool = False

    def _note(self, *call: Any) -> None:
        if self.is_down:
            raise BackendDown("prometheus", "no answer within 5 s")
        self.asked.append(call)

    def query(self, expr: str, *, at: float | None = None) -> list[Sample]:
        self._note("query", expr, at)
        return self.samples

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self._note("query_range", expr, start, end, step)
        return self.series

    def exemplars(self, expr: str, start: float, end: float) -> list[Exemplar]:
        self._note("exemplars", expr, start, end)
        return self.kept

    def label_values(
        self, label: str, match: str | None = None, start: float | None = None, end: float | None = None
    ) -> list[str]:
        self._note("label_values", label, match)
        return self.labels.get(label, [])

    def expressions(self) -> list[str]:
        """Return the received PromQL."""
        return [call[1] for call in self.asked if call[0] in ("query", "query_range")]


@dataclass
class FakeElasticsearch:
    """Answers every search with the same document."""

    answer: dict[str, Any] = field(default_factory=lambda: {"hits": {"hits": []}, "aggregations": {}})
    asked: list[tuple[Mapping[str, Any], dict[str, Any]]] = field(default_factory=list)
    is_down: bool = False

    def logs(self, query: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        if self.is_down:
            raise BackendDown("elasticsearch", "no connection (refused)")
        self.asked.append((query, options))
        return self.answer


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePrometheus]:
    """Prometheus."""
    fake = FakePrometheus()
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    cache.clear()
    yield fake
    cache.clear()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> FakeElasticsearch:
    """Elasticsearch."""
    fake = FakeElasticsearch()
    monkeypatch.setattr(elasticsearch, "client", lambda: fake)
    return fake


@pytest.fixture
def last_hour() -> TimeRange:
    """Return the hour that ends at NOW."""
    return TimeRange.from_params({"from": "now-1h"}, now=NOW)


def panel(kind: str = "timeseries", targets: list[dict[str, Any]] | None = None, **body: Any) -> Panel:
    """Build a panel; its dashboard has no other."""
    place = {"x": 0, "y": 0, "w": 12, "h": 8}
    item = {"id": 1, "type": kind, "title": "Of a test", "gridPos": place, "targets": targets or [], **body}
    return next(parse({"uid": "of-a-test", "title": "Of a test", "panels": [item]}).panels)


def promql_target(expr: str = "up", **body: Any) -> dict[str, Any]:
    """Build a Prometheus query as dashboards define it."""
    return {"refId": "A", "expr": expr, "datasource": {"type": "prometheus", "uid": "${datasource}"}, **body}


def logs_target(query: str = "*", **body: Any) -> dict[str, Any]:
    """Build an Elasticsearch query as dashboards define it."""
    return {"refId": "A", "query": query, "datasource": {"type": "elasticsearch", "uid": "${logs}"}, **body}


def target(body: dict[str, Any]) -> Target:
    """Return the typed query."""
    return panel(targets=[body]).targets[0]
