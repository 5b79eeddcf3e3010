"""Elasticsearch's answers: counts over time and by terms, documents."""

from __future__ import annotations

from typing import Any

import pytest
from boards import elasticsearch_queries as queries
from boards.elasticsearch_queries import UnsupportedQuery
from boards.frames import TIME, Frame
from boards.interpolation import Value
from boards.steps import window

from tests.boards.conftest import NOW, FakeElasticsearch, logs_target, target

WINDOW = window(NOW - 60, NOW, 600)
COUNT = [{"type": "count", "id": "1"}]
TERMS = {"type": "terms", "field": "log.level", "settings": {"size": "10", "min_doc_count": "1"}}
OVER_TIME = {"type": "date_histogram", "field": "@timestamp", "settings": {"interval": "auto"}}


def ask(client: FakeElasticsearch, body: dict[str, Any]) -> list[Frame]:
    return queries.ask(client, target(body), WINDOW, {"service": Value(('a" OR *:*',))})  # type: ignore[arg-type]


def test_counts_over_time_have_a_value_at_every_step(lines: FakeElasticsearch) -> None:
    first = int(WINDOW.aligned_start * 1000)
    lines.answer = {
        "hits": {"hits": []},
        "aggregations": {
            "terms": {
                "buckets": [
                    {"key": "error", "time": {"buckets": [{"key": first + 15_000, "doc_count": 7}]}},
                    {"key": "info", "time": {"buckets": [{"key": first, "doc_count": 2}]}},
                ]
            }
        },
    }
    error, info = ask(lines, logs_target(bucketAggs=[TERMS, OVER_TIME], metrics=COUNT))
    assert (error.numbers[0].display, error.numbers[0].values[:3]) == ("error", [0.0, 7.0, 0.0])
    assert (info.numbers[0].labels, info.numbers[0].values[0]) == ({"log.level": "info"}, 2.0)
    _, options = lines.asked[0]
    histogram = options["aggs"]["terms"]["aggs"]["time"]["date_histogram"]
    assert histogram["fixed_interval"] == "15000ms"
    assert (options["size"], options["start"], options["end"]) == (0, NOW - 60, NOW)


def test_counts_by_terms_have_a_row_for_each_combination(lines: FakeElasticsearch) -> None:
    lines.answer = {
        "hits": {"hits": []},
        "aggregations": {
            "terms": {
                "buckets": [
                    {
                        "key": "orders",
                        "doc_count": 5,
                        "terms": {"buckets": [{"key": "Timeout", "doc_count": 4}, {"key": "Refused", "doc_count": 1}]},
                    }
                ]
            }
        },
    }
    service = {"type": "terms", "field": "service.name", "settings": {}}
    (frame,) = ask(lines, logs_target(bucketAggs=[service, {**TERMS, "field": "error.type"}], metrics=COUNT))
    assert [(column.name, column.values) for column in frame.fields] == [
        ("service.name", ["orders", "orders"]),
        ("error.type", ["Timeout", "Refused"]),
        ("Count", [4.0, 1.0]),
    ]


def test_documents_are_rows_with_their_time(lines: FakeElasticsearch) -> None:
    lines.answer = {
        "hits": {
            "hits": [
                {
                    "_id": "1",
                    "_source": {"@timestamp": "2023-11-14T22:13:20Z", "message": "hello", "log": {"level": "info"}},
                },
                {"_id": "2", "_source": {"@timestamp": "no time", "trace.id": "abc"}},
            ]
        }
    }
    (frame,) = ask(lines, logs_target(bucketAggs=[], metrics=[{"type": "raw_data", "settings": {"size": "50"}}]))
    found = {column.name: column for column in frame.fields}
    assert found["@timestamp"].kind == TIME
    assert found["@timestamp"].values == [NOW, 0.0]
    assert found["log.level"].values == ["info", ""]
    assert lines.asked[0][1]["size"] == 50


def test_a_chosen_value_is_a_quoted_term_of_the_query(lines: FakeElasticsearch) -> None:
    ask(lines, logs_target("service.name:(${service:lucene})", bucketAggs=[OVER_TIME], metrics=COUNT))
    assert lines.asked[0][0]["query_string"]["query"] == r'service.name:("a\" OR *:*")'


@pytest.mark.parametrize(
    "body",
    [
        logs_target(metrics=[{"type": "avg", "field": "event.duration"}]),
        logs_target(metrics=[*COUNT, *COUNT]),
        logs_target(metrics=COUNT, bucketAggs=[{"type": "histogram", "field": "x"}]),
    ],
)
def test_an_unsupported_query_is_reported(body: dict[str, Any], lines: FakeElasticsearch) -> None:
    with pytest.raises(UnsupportedQuery, match="Query A"):
        ask(lines, body)
    assert lines.asked == []
