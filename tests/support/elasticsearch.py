"""Log lines and errors in Elasticsearch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

LOGS = "logs-django-*"
ERRORS = "logs-errors-*"
SPANS = "jaeger-span-*"
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Document:
    """One log line or error. Fields are read by their dotted ECS name, however the document nests them."""

    id: str
    source: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return _get(self.source, name)

    def __str__(self) -> str:
        return f"{self['service.name']}: {self['message']}"


class Elasticsearch:
    """Elasticsearch's search API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def search_url(self, query: str) -> str:
        """A link to the results of the query string."""
        return f"{self.url}/{LOGS}/_search?q={query}"

    def health(self) -> str:
        """green or yellow if every index can be searched; red if not."""
        response = requests.get(f"{self.url}/_cluster/health", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return str(response.json()["status"])

    def services_with_spans(self, trace_id: str) -> set[str]:
        """The services with spans of this trace in Jaeger's indices."""
        query = {"query": {"term": {"traceID": trace_id}}, "size": 500, "_source": ["process.serviceName"]}
        return {hit["_source"]["process"]["serviceName"] for hit in self._search(SPANS, query)}

    def logs(self, **terms: str) -> list[Document]:
        """The log lines with these fields (with `__` for the dot), oldest first, 500 at most."""
        return self._documents(LOGS, terms)

    def errors(self, **terms: str) -> list[Document]:
        """The errors with these fields, as `logs`."""
        return self._documents(ERRORS, terms)

    def _documents(self, indices: str, terms: Mapping[str, str]) -> list[Document]:
        filters = [{"term": {name.replace("__", "."): value}} for name, value in terms.items()]
        query = {"query": {"bool": {"filter": filters}}, "size": 500, "sort": ["@timestamp"]}
        return [Document(hit["_id"], hit["_source"]) for hit in self._search(indices, query)]

    def _search(self, indices: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        response = requests.post(f"{self.url}/{indices}/_search", json=query, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        hits: list[dict[str, Any]] = response.json()["hits"]["hits"]
        return hits


def _get(source: Any, name: str) -> Any:
    if not isinstance(source, Mapping):
        return None
    if name in source:
        return source[name]
    head, _, rest = name.partition(".")
    while rest:
        if head in source:
            return _get(source[head], rest)
        part, _, rest = rest.partition(".")
        head = f"{head}.{part}"
    return None
