"""Elasticsearch's log store: searches on the data stream of log lines, and their searchable fields.

Times are seconds since the epoch. Every call raises BackendDown when Elasticsearch doesn't answer in time and
BackendRejected when it rejects the query.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings

from backends.errors import BackendDown
from backends.http import get_json, post_json

NAME = "elasticsearch"
# The data stream that the log shipper writes to (observability/elasticsearch/index-templates/logs-django.json).
INDEX = "logs-django-*"
TIME_FIELD = "@timestamp"
# index.max_result_window: the maximum size of one search's result.
MOST_LINES = 10_000
_FIELDS_KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """One log line. ``fields`` are all its fields, flat: {"log.level": "error", …}; ``sort`` is its search_after."""

    id: str
    fields: dict[str, Any]
    sort: tuple[Any, ...] = ()

    def text(self, name: str) -> str:
        """Return a field as text; empty if the line doesn't have it."""
        value = self.fields.get(name)
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)


class Elasticsearch:
    """A client of one Elasticsearch. Thread-safe."""

    def __init__(
        self, base_url: str, timeout: float, user: str = "", password: str = "", *, index: str = INDEX
    ) -> None:
        self._base_url = base_url
        self._index = index
        self._timeout = timeout
        self._headers: dict[str, str] = {}
        if user:
            credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers = {"Authorization": f"Basic {credentials}"}
        self._lock = threading.Lock()
        self._fields: dict[str, str] = {}
        self._fields_until = 0.0

    def logs(  # noqa: PLR0913 - keyword-only, one for each part of a search's body
        self,
        query: Mapping[str, Any],
        *,
        start: float,
        end: float,
        size: int,
        sort: Sequence[Mapping[str, Any]] | None = None,
        aggs: Mapping[str, Any] | None = None,
        search_after: Sequence[Any] | None = None,
        fields: Sequence[str] | None = None,
        total: bool = True,
    ) -> dict[str, Any]:
        """Search log lines of [start, end]; returns Elasticsearch's own answer (hits, aggregations): see lines().

        ``query`` is Query DSL, {} for all lines; ``sort`` is newest first by default; ``size`` is at most 10,000;
        ``fields`` limits the returned fields; without ``total`` matches aren't counted. A missing store has no lines.
        """
        window = {"range": {TIME_FIELD: {"gte": _date(start), "lte": _date(end), "format": "epoch_millis"}}}
        body: dict[str, Any] = {
            "query": {"bool": {"filter": [window, *([query] if query else [])]}},
            "size": max(0, min(size, MOST_LINES)),
            "sort": list(sort) if sort is not None else newest_first(),
            "track_total_hits": total,
            # Elasticsearch aborts shortly before the caller's timeout.
            "timeout": f"{max(1, int(self._timeout * 900))}ms",
        }
        if aggs:
            body["aggs"] = aggs
        if search_after is not None:
            body["search_after"] = list(search_after)
        if fields is not None:
            body["_source"] = list(fields)
        answer = post_json(
            NAME,
            self._base_url,
            f"/{self._index}/_search",
            params={"ignore_unavailable": "true", "allow_no_indices": "true"},
            json=body,
            headers=self._headers,
            timeout=self._timeout,
        )
        if not isinstance(answer, dict) or "hits" not in answer:
            raise BackendDown(NAME, "the answer is not one of Elasticsearch's search API")
        if answer.get("timed_out"):
            # Partial results: a part of the lines, displayed as if they were all, would mislead.
            raise BackendDown(
                NAME, f"the search takes longer than {self._timeout:g} s: take less time or fewer wildcards"
            )
        return answer

    def fields(self) -> dict[str, str]:
        """Return the searchable fields with their types (keyword, text, long, date, …). Cached for a minute."""
        with self._lock:
            if self._fields and time.monotonic() < self._fields_until:
                return self._fields
        answer = get_json(
            NAME,
            self._base_url,
            f"/{self._index}/_field_caps",
            params={"fields": "*", "ignore_unavailable": "true", "filters": "-metadata,-parent"},
            headers=self._headers,
            timeout=self._timeout,
        )
        if not isinstance(answer, dict) or "fields" not in answer:
            raise BackendDown(NAME, "the answer is not one of Elasticsearch's field API")
        found = {
            str(name): next(iter(types))
            for name, types in answer["fields"].items()
            if any(kind.get("searchable") for kind in types.values())
        }
        with self._lock:
            self._fields, self._fields_until = found, time.monotonic() + _FIELDS_KEPT_SECONDS
        return found


@cache
def _client(base_url: str, timeout: float, user: str, password: str) -> Elasticsearch:
    return Elasticsearch(base_url, timeout, user, password)


def client() -> Elasticsearch:
    """Return the client for the Elasticsearch in the settings (ELASTICSEARCH_URL, …_USER, …_PASSWORD)."""
    return _client(
        settings.ELASTICSEARCH_URL,
        settings.BACKEND_TIMEOUT_SECONDS,
        settings.ELASTICSEARCH_USER,
        settings.ELASTICSEARCH_PASSWORD,
    )


def newest_first() -> list[dict[str, Any]]:
    """Sort by time, descending; event.id orders lines of the same millisecond, so that pages don't overlap."""
    return _by_time("desc")


def oldest_first() -> list[dict[str, Any]]:
    """Sort by time, ascending."""
    return _by_time("asc")


def lines(answer: Mapping[str, Any]) -> list[Line]:
    """Return the lines in an answer of logs()."""
    return [
        Line(str(hit["_id"]), flatten(hit.get("_source") or {}), tuple(hit.get("sort") or ()))
        for hit in answer["hits"]["hits"]
    ]


def total(answer: Mapping[str, Any]) -> int:
    """Return the number of all matching lines; 0 if they weren't counted."""
    found = answer["hits"].get("total")
    return int(found["value"]) if isinstance(found, dict) else int(found or 0)


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a document to dotted names: {"log": {"level": "info"}} and {"log.level": "info"} are the same field."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            flat.update({f"{name}.{inner}": found for inner, found in flatten(value).items()})
        else:
            flat[str(name)] = value
    return flat


def _by_time(order: str) -> list[dict[str, Any]]:
    return [
        {TIME_FIELD: {"order": order, "unmapped_type": "date"}},
        {"event.id": {"order": order, "unmapped_type": "keyword"}},
    ]


def _date(seconds: float) -> int:
    return round(seconds * 1000)
