"""Results of queries on a real Elasticsearch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from backends import elasticsearch
from backends.elasticsearch import flatten
from backends.errors import BackendDown, BackendRejected
from logs import search
from logs.query import parse
from shell.timerange import TimeRange

from tests.logs.conftest import MOMENT, URL, Store

HOUR = TimeRange.between((MOMENT - timedelta(minutes=30)).timestamp(), (MOMENT + timedelta(minutes=30)).timestamp())
LINES: dict[str, dict[str, Any]] = {
    "paid": {"message": "Charge captured for order-17", "service.name": "payments", "event.duration": 1_500_000_000},
    "declined": {
        "message": "Card declined by the bank",
        "log.level": "warning",
        "service.name": "payments",
        "error.type": "CardDeclined",
        "http.response.status_code": 402,
    },
    "crash": {
        "message": "Unhandled",
        "log.level": "error",
        "error.message": "connection refused by inventory",
        "trace.id": "0af7651916cd43dd8448eb211c80319c",
        "trace.sampled": True,
        "client.ip": "10.1.2.3",
        "url.path": "/api/v1/orders",
    },
    "nested": {"log": {"level": "debug"}, "log.level": None, "process": {"name": "rabbitmq"}, "message": "Started"},
}


def found_by(text: str) -> set[str]:
    """Return the names of the lines that a query finds."""
    fields = elasticsearch.client().fields()
    page = search.page(parse(text, fields), HOUR)
    return {line.id for line in page.lines}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"paid", "declined", "crash", "nested"}),
        ("declined", {"declined"}),
        ("DECLINED bank", {"declined"}),
        ('"declined bank"', set()),
        ('"by the bank"', {"declined"}),
        ("refused", {"crash"}),
        ("carddeclined", {"declined"}),
        ("order-17", {"paid"}),
        ("cap*", {"paid"}),
        ("service.name:payments", {"paid", "declined"}),
        ("service.name:pay*", {"paid", "declined"}),
        ("service.name:payments and not log.level:warning", {"paid"}),
        ("log.level:(warning or error)", {"declined", "crash"}),
        ("log.level:debug", {"nested"}),
        ("process.name:rabbitmq", {"nested"}),
        ("http.response.status_code >= 400", {"declined"}),
        ("event.duration > 1s", {"paid"}),
        ("event.duration > 2s", set()),
        ("error.type:*", {"declined"}),
        ("trace.sampled:true", {"crash"}),
        ("client.ip:10.0.0.0/8", {"crash"}),
        ("0AF7651916cd43dd8448eb211c80319c", {"crash"}),
        ("/api/v1/orders", {"crash"}),
        ("@timestamp > 2026-06-30T12:00:00Z", {"paid", "declined", "crash", "nested"}),
        ("@timestamp > 2026-06-30T13:00:00Z", set()),
    ],
)
def test_a_query_finds_its_lines(store: Store, text: str, names: set[str]) -> None:
    store.write(*({"event.id": name, **line} for name, line in LINES.items()))
    assert found_by(text) == names


def test_pages_follow_each_other_without_gaps_or_repeats(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", 7)
    # All within one millisecond, so that time alone doesn't order them.
    ids = store.write(*({"@timestamp": MOMENT.isoformat()} for _ in range(20)))
    query = parse("", {})
    seen: list[str] = []
    cursor: tuple[object, ...] | None = None
    for _ in range(3):
        page = search.page(query, HOUR, cursor)
        seen += [line.id for line in page.lines]
        cursor = page.cursor
    assert not cursor
    assert sorted(seen) == sorted(ids)


def test_the_histogram_counts_every_line_once_by_level(store: Store) -> None:
    store.write(*({"log.level": level} for level in ("info", "info", "error", "notice")), {"log.level": None})
    found = search.histogram(parse("", {}), HOUR)
    assert {level: sum(counts) for level, counts in found.levels.items()} == {"error": 1, "info": 2, "other": 2}
    assert found.total == 5
    assert found.step == 60
    assert len(found.times) == 61


def test_the_lines_around_one_are_those_of_its_process(store: Store) -> None:
    mine = store.write(*({"message": f"step {n}"} for n in range(40)))
    store.write({"service.node.name": "users-1", "@timestamp": (MOMENT + timedelta(milliseconds=20)).isoformat()})
    middle = search.line(mine[19], int(MOMENT.timestamp() * 1000) + 20)
    assert middle is not None
    moment = int(MOMENT.timestamp() * 1000) + 20
    same = search.around(middle, moment, same_process=True)
    assert [line.text("message") for line in same] == [f"step {n}" for n in range(4, 35)]
    everything = search.around(middle, moment, same_process=False)
    assert "users-1" in {line.text("service.node.name") for line in everything}


def test_a_deleted_line_is_none(store: Store) -> None:
    moment = int(MOMENT.timestamp() * 1000)
    assert search.line("missing", moment) is None
    assert search.line('x"}}', moment) is None


def test_fields_lists_what_can_be_searched(store: Store) -> None:
    fields = elasticsearch.client().fields()
    assert fields["message"] == "text"
    assert fields["http.response.status_code"] == "integer"
    assert "error.stack_trace" not in fields, "it is stored, but not indexed"


def test_a_missing_store_has_no_lines() -> None:
    client = elasticsearch.Elasticsearch(URL, 5.0, index="console-tests-none-*")
    answer = client.logs({}, start=0, end=1, size=10)
    assert (elasticsearch.lines(answer), elasticsearch.total(answer)) == ([], 0)
    assert client.fields() == {}


def test_a_query_that_elasticsearch_rejects_reports_the_reason(store: Store) -> None:
    with pytest.raises(BackendRejected, match="nonsense"):
        elasticsearch.client().logs({"nonsense": {}}, start=0, end=1, size=1)


def test_a_search_that_timed_out_with_partial_results_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    partial = {"timed_out": True, "hits": {"hits": [], "total": {"value": 0}}}
    monkeypatch.setattr(elasticsearch, "post_json", lambda *args, **more: partial)
    with pytest.raises(BackendDown, match="takes longer than 5 s"):
        elasticsearch.Elasticsearch("http://127.0.0.1:9200", 5.0).logs({}, start=0, end=1, size=1)


def test_dotted_and_nested_names_are_the_same_field() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "a.d": 2, "e": {}}) == {"a.b.c": 1, "a.d": 2, "e": {}}
