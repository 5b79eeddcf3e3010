"""Samples, targets and exemplars in Prometheus."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """One scrape target."""

    job: str
    service: str
    process: str
    instance: str
    health: str
    error: str


class Prometheus:
    """Prometheus's HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def graph_url(self, query: str) -> str:
        """A link to the query's graph."""
        return f"{self.url}/graph?g0.expr={quote(query)}&g0.tab=1"

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Run an instant query: labels and value of each series."""
        result = self._get("query", {"query": query})["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def targets(self) -> list[Target]:
        """Every active target."""
        found = self._get("targets", {"state": "active"})["activeTargets"]
        return [
            Target(
                job=target["labels"]["job"],
                service=target["labels"].get("service", ""),
                process=target["labels"].get("process", ""),
                instance=target["labels"]["instance"],
                health=target["health"],
                error=target["lastError"],
            )
            for target in found
        ]

    def exemplar_trace_ids(self, query: str, seconds: float) -> set[str]:
        """The trace ids of the exemplars of the last `seconds`."""
        now = time.time()
        series = self._get("query_exemplars", {"query": query, "start": str(now - seconds), "end": str(now)})
        return {exemplar["labels"]["trace_id"] for entry in series for exemplar in entry["exemplars"]}

    def _get(self, what: str, parameters: dict[str, str]) -> Any:
        response = requests.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()["data"]
