"""The stored errors (observability/errors), as typed values. Times are seconds since the epoch. Raises BackendDown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from backends.elasticsearch import NAME, Elasticsearch, flatten

__all__ = ["FIELDS", "INDEX", "NAME", "ErrorEvent", "client", "event"]

# The data stream that the receiver writes to (observability/elasticsearch/index-templates/logs-errors.json).
INDEX = "logs-errors-*"
# What ErrorEvent has: without the stack, which is most of a document.
FIELDS: Sequence[str] = (
    "@timestamp",
    "event.id",
    "log.level",
    "error.type",
    "error.message",
    "error.culprit",
    "error.grouping_key",
    "error.grouping_name",
    "service.name",
    "service.version",
    "service.node.name",
    "trace.id",
    "request.id",
    "transaction.name",
)


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A stored error. ``process`` reported it, ``culprit`` is where it was raised, ``group`` is its group's key."""

    event_id: str
    time: float
    level: str
    type: str
    value: str
    title: str
    culprit: str
    group: str
    service: str
    process: str
    release: str
    trace_id: str
    request_id: str
    transaction: str


def event(source: Mapping[str, Any]) -> ErrorEvent:
    """Return the error of a document. Its time is 0 if it has none."""
    fields = flatten(source)

    def text(name: str) -> str:
        return str(fields.get(name) or "")

    return ErrorEvent(
        event_id=text("event.id"),
        time=_time(text("@timestamp")),
        level=text("log.level"),
        type=text("error.type"),
        value=text("error.message"),
        title=text("error.grouping_name"),
        culprit=text("error.culprit"),
        group=text("error.grouping_key"),
        service=text("service.name"),
        process=text("service.node.name"),
        release=text("service.version"),
        trace_id=text("trace.id"),
        request_id=text("request.id"),
        transaction=text("transaction.name"),
    )


def _time(value: str) -> float:
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return 0.0


@cache
def _client(base_url: str, timeout: float, user: str, password: str) -> Elasticsearch:
    return Elasticsearch(base_url, timeout, user, password, index=INDEX)


def client() -> Elasticsearch:
    """Return the client for the errors in the settings' Elasticsearch (ELASTICSEARCH_URL, …_USER, …_PASSWORD)."""
    return _client(
        settings.ELASTICSEARCH_URL,
        settings.BACKEND_TIMEOUT_SECONDS,
        settings.ELASTICSEARCH_USER,
        settings.ELASTICSEARCH_PASSWORD,
    )
