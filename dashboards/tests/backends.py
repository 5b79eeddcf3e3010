"""Runs a panel's queries on Prometheus and Elasticsearch as Grafana would."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grafana
import requests

TIMEOUT_SECONDS = 15.0
LOGS = "logs-django-*"
STEP_SECONDS = 15
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """The result of a query: the number of values, the duration in seconds, where to look, and the largest value."""

    values: int
    seconds: float
    look_at: str
    largest: float = 0.0


class Backends:
    """The platform's Prometheus and Elasticsearch, as data sources."""

    def __init__(self, prometheus: str, elasticsearch: str) -> None:
        self.prometheus = prometheus
        self.elasticsearch = elasticsearch

    def ask(self, target: Mapping[str, Any], values: Values) -> Answer:
        """The result of a panel's query over the last ten minutes, with these values of the variables."""
        if "expr" in target:
            return self._ask_prometheus(grafana.fill_promql(target["expr"], values), bool(target.get("instant")))
        return self._ask_elasticsearch(target, grafana.fill_lucene(target["query"], values))

    def ask_annotation(self, annotation: Mapping[str, Any]) -> Answer:
        """The result of an annotation's query."""
        if "expr" in annotation:
            return self._ask_prometheus(annotation["expr"], instant=False)
        return self._ask_elasticsearch({"metrics": [{"type": "raw_data"}]}, annotation["query"])

    def values_of(self, variable: Mapping[str, Any], chosen: Values) -> list[str]:
        """The values that a query variable offers when the variables before it have the values `chosen`."""
        match = _LABEL_VALUES.fullmatch(variable["query"]["query"])
        assert match, f"{variable['query']} is not label_values(selector, label)"
        selector = grafana.fill_promql(match["selector"], chosen)
        found = self._get(f"label/{match['label']}/values", {"match[]": selector, **grafana.window()})
        return [value for value in found if value]

    def names(self) -> set[str]:
        """Every metric name that has had a sample in the last ten minutes."""
        return set(self._get("label/__name__/values", grafana.window()))

    def series(self, selector: str) -> list[dict[str, str]]:
        """The labels of every series that had a sample in the last ten minutes."""
        return list(self._get("series", {"match[]": selector, **grafana.window()}))

    def metadata(self) -> dict[str, set[str]]:
        """The types that targets report for each family."""
        found = self._get("metadata", {})
        return {name: {entry["type"] for entry in entries} for name, entries in found.items()}

    def _ask_prometheus(self, expr: str, instant: bool) -> Answer:
        # The platform may not have been running yesterday; the query is valid without the offset too.
        expr = expr.replace(" offset 1d", "")
        parameters: dict[str, str] = {"query": expr}
        if not instant:
            parameters |= {**grafana.window(), "step": str(STEP_SECONDS)}
        start = time.perf_counter()
        found = self._get("query" if instant else "query_range", parameters)["result"]
        seconds = time.perf_counter() - start
        samples = [float(value) for series in found for _, value in (series.get("values") or [series["value"]])]
        numbers = [value for value in samples if not math.isnan(value)]
        look_at = f"{self.prometheus}/graph?g0.expr={quote(expr)}&g0.tab=0"
        return Answer(len(numbers), seconds, look_at, max(numbers, default=0.0))

    def _ask_elasticsearch(self, target: Mapping[str, Any], query: str) -> Answer:
        body: dict[str, Any] = {
            "size": 0,
            "query": {
                "bool": {
                    "filter": [
                        {"query_string": {"query": query, "analyze_wildcard": True}},
                        {"range": {"@timestamp": {"gte": f"now-{grafana.WINDOW_SECONDS}s"}}},
                    ]
                }
            },
        }
        if target["metrics"][0]["type"] in {"logs", "raw_data"}:
            body |= {"size": 100, "sort": [{"@timestamp": "desc"}]}
        else:
            body |= _aggregations(target["bucketAggs"])
        start = time.perf_counter()
        response = requests.post(f"{self.elasticsearch}/{LOGS}/_search", json=body, timeout=TIMEOUT_SECONDS)
        seconds = time.perf_counter() - start
        response.raise_for_status()
        found = response.json()
        look_at = f"{self.elasticsearch}/{LOGS}/_search?q={quote(query)}"
        if body["size"]:
            lines = len(found["hits"]["hits"])
        else:
            lines = sum(bucket["doc_count"] for bucket in found["aggregations"]["by"]["buckets"])
        return Answer(lines, seconds, look_at, float(lines))

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        response = requests.get(f"{self.prometheus}/api/v1/{what}", params=parameters, timeout=TIMEOUT_SECONDS)
        body = response.json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]


def _aggregations(wanted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Grafana's bucket aggregations, nested from the outermost to the innermost."""
    inner: dict[str, Any] = {}
    for aggregation in reversed(wanted):
        if aggregation["type"] == "date_histogram":
            own: dict[str, Any] = {
                "date_histogram": {"field": aggregation["field"], "fixed_interval": f"{STEP_SECONDS}s"}
            }
        else:
            own = {"terms": {"field": aggregation["field"], "size": int(aggregation["settings"]["size"])}}
        inner = {"aggs": {"by": {**own, **inner}}}
    return inner
