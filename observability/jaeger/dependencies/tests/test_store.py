"""The queries, on a real Elasticsearch with the index template of the running Jaeger."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from jaeger_dependencies.job import count
from jaeger_dependencies.links import Caller, Entry
from jaeger_dependencies.store import Store

URL = os.environ.get("TEST_ELASTICSEARCH_URL", "http://127.0.0.1:9200")
MINUTE = datetime(2026, 6, 30, 12, 30, tzinfo=UTC)
END = MINUTE + timedelta(minutes=1)


class Index:
    """Jaeger's span index of one test."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._name = f"{prefix}jaeger-span-{MINUTE:%Y-%m-%d}"
        found = requests.get(f"{URL}/_index_template/jaeger-span", timeout=10)
        assert found.ok, f"no template jaeger-span at {URL} (is Jaeger up?): {found.text[:300]}"
        template = found.json()["index_templates"][0]["index_template"]["template"]
        self._made(requests.put(f"{URL}/{self._name}", json={"mappings": template["mappings"]}, timeout=20))

    def span(
        self, span_id: str, service: str, kind: str, *, parent: str = "", at: datetime = MINUTE, **tags: str
    ) -> None:
        """Store a span as Jaeger does."""
        reference = {"refType": "CHILD_OF", "traceID": "t" * 32, "spanID": parent}
        document: dict[str, Any] = {
            "traceID": "t" * 32,
            "spanID": span_id,
            "startTimeMillis": int(at.timestamp() * 1000),
            "references": [reference] if parent else [],
            "process": {"serviceName": service},
            "tag": {"span@kind": kind, **{key.replace("_", "@"): value for key, value in tags.items()}},
        }
        target = f"{URL}/{self._name}/_doc?refresh=true"
        self._made(requests.post(target, json=document, timeout=10))

    def graph(self) -> list[dict[str, Any]]:
        """The documents of the dependency graph."""
        index = f"{self.prefix}jaeger-dependencies-{MINUTE:%Y-%m-%d}"
        requests.post(f"{URL}/{index}/_refresh", timeout=10)
        answer = requests.get(f"{URL}/{index}/_search?ignore_unavailable=true", timeout=10)
        return [hit["_source"] for hit in answer.json()["hits"]["hits"]]

    def drop(self) -> None:
        """Delete the indices of this test."""
        for kind in ("span", "dependencies"):
            requests.delete(f"{URL}/{self.prefix}jaeger-{kind}-{MINUTE:%Y-%m-%d}", timeout=20)

    @staticmethod
    def _made(answer: requests.Response) -> None:
        assert answer.ok, answer.text


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index(f"jaegertest-{uuid.uuid4().hex[:8]}-")
    yield made
    made.drop()


@pytest.fixture
def store(index: Index) -> Store:
    return Store(URL, index_prefix=index.prefix)


def test_calls_are_counted_by_caller_and_named_callee(index: Index, store: Store) -> None:
    index.span("a", "orders", "client", peer_service="users")
    index.span("b", "orders", "client", peer_service="users")
    index.span("c", "orders", "producer", messaging_system="rabbitmq")
    index.span("d", "users", "client", db_system_name="postgresql")
    assert store.calls(MINUTE, END) == {("orders", "users"): 2, ("orders", "rabbitmq"): 1, ("users", "postgresql"): 1}


def test_the_most_reliable_name_of_a_peer_wins(index: Index, store: Store) -> None:
    index.span("a", "orders", "client", peer_service="stock-db", db_system_name="postgresql")
    assert store.calls(MINUTE, END) == {("orders", "stock-db"): 1}


def test_only_calls_of_that_minute_are_counted(index: Index, store: Store) -> None:
    index.span("a", "orders", "client", peer_service="users", at=MINUTE - timedelta(milliseconds=1))
    index.span("b", "orders", "client", peer_service="users", at=END)
    index.span("c", "orders", "client", peer_service="users", at=END - timedelta(milliseconds=1))
    assert store.calls(MINUTE, END) == {("orders", "users"): 1}


def test_spans_without_a_callee_are_not_counted(index: Index, store: Store) -> None:
    index.span("a", "orders", "internal", peer_service="users")
    index.span("b", "orders", "client")
    assert store.calls(MINUTE, END) == {}


def test_entries_have_a_parent_and_are_paged(index: Index, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaeger_dependencies.store.PAGE", 2)
    for number in range(5):
        index.span(f"s{number}", "users", "server", parent=f"p{number}")
    index.span("root", "users", "server")
    index.span("inner", "users", "internal", parent="root")
    assert store.entries(MINUTE, END, 100) == [Entry("users", f"p{number}") for number in range(5)]
    assert len(store.entries(MINUTE, END, 3)) == 3


def test_callers_are_found_even_if_they_started_earlier(index: Index, store: Store) -> None:
    index.span("p1", "orders", "producer", at=MINUTE - timedelta(minutes=5), peer_service="rabbitmq")
    index.span("p2", "orders", "client")
    found = store.callers(["p1", "p2", "missing"], MINUTE, END)
    assert found == {"p1": Caller("orders", "rabbitmq"), "p2": Caller("orders", "")}


def test_a_minute_becomes_one_document_in_jaegers_format_however_often_it_is_counted(
    index: Index, store: Store
) -> None:
    index.span("p1", "orders", "producer", peer_service="rabbitmq")
    index.span("c1", "notifications", "consumer", parent="p1", peer_service="rabbitmq")
    count(store, MINUTE)
    index.span("c2", "notifications", "consumer", parent="p1", peer_service="rabbitmq")
    count(store, MINUTE)
    assert index.graph() == [
        {
            "timestamp": "2026-06-30T12:30:00+00:00",
            "dependencies": [
                {"parent": "notifications", "child": "rabbitmq", "callCount": 2},
                {"parent": "orders", "child": "notifications", "callCount": 2},
                {"parent": "orders", "child": "rabbitmq", "callCount": 1},
            ],
        }
    ]


def test_an_empty_minute_stores_no_document(index: Index, store: Store) -> None:
    assert count(store, MINUTE) == 0
    assert index.graph() == []


def test_the_last_stored_minute_is_found(index: Index, store: Store) -> None:
    assert store.last_written(MINUTE, timedelta(hours=1)) is None
    store.write(MINUTE, {("a", "b"): 1})
    store.write(MINUTE - timedelta(minutes=5), {("a", "b"): 1})
    index.graph()
    assert store.last_written(MINUTE, timedelta(hours=1)) == MINUTE
    assert store.last_written(MINUTE + timedelta(hours=3), timedelta(hours=1)) is None
