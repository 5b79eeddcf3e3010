"""A panel's Elasticsearch queries, with answers as frames: counts by terms and over time, documents, lines.

The query is Lucene, as in Grafana; values chosen by users are inserted only as quoted terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backends import elasticsearch
from backends.elasticsearch import TIME_FIELD, Elasticsearch, Line

from boards.definitions import Target
from boards.frames import NUMBER, STRING, TIME, TIME_NAME, Field, Frame
from boards.interpolation import Values, lucene
from boards.steps import Window, align

COUNT = "Count"
_MOST_DOCUMENTS = 500
_MOST_TERMS = 100


class UnsupportedQuery(ValueError):
    """A query of an unsupported kind."""


@dataclass(frozen=True)
class Terms:
    """A grouping by a field's values, most frequent first."""

    field: str
    size: int
    min_doc_count: int


def ask(client: Elasticsearch, target: Target, window: Window, values: Values) -> list[Frame]:
    """Run the query and convert the answer. Raises UnsupportedQuery with what isn't supported."""
    metric = _metric(target)
    if metric["type"] in ("raw_data", "raw_document"):
        size = int((metric.get("settings") or {}).get("size") or _MOST_DOCUMENTS)
        return [documents(target, lines(client, target, window, values, size))]
    terms, over_time = _groupings(target)
    answer = client.logs(
        search(target, values),
        start=window.start,
        end=window.end,
        size=0,
        aggs=_aggregations(terms, window if over_time else None),
        total=False,
    )
    root: Mapping[str, Any] = answer.get("aggregations") or {}
    if over_time:
        return list(_counts_over_time(target, terms, root, window))
    return [_counts(target, terms, root)]


def lines(client: Elasticsearch, target: Target, window: Window, values: Values, size: int) -> list[Line]:
    """Return the newest log lines that a query finds."""
    answer = client.logs(
        search(target, values), start=window.start, end=window.end, size=min(size, _MOST_DOCUMENTS), total=False
    )
    return elasticsearch.lines(answer)


def search(target: Target, values: Values) -> dict[str, Any]:
    """Return the Query DSL of a target's Lucene query."""
    query = lucene(str(target.body.get("query") or ""), values).strip()
    if not query:
        return {}
    return {"query_string": {"query": query, "analyze_wildcard": True, "default_field": "message"}}


def wanted_lines(target: Target) -> int:
    """Return the number of lines that a logs query requests; 0 for other kinds of query."""
    metric = _metric(target)
    if metric["type"] != "logs":
        return 0
    return int((metric.get("settings") or {}).get("limit") or _MOST_DOCUMENTS)


def documents(target: Target, found: list[Line]) -> Frame:
    """Return documents as rows; the time is a column of times."""
    names = [TIME_FIELD, *sorted({name for line in found for name in line.fields} - {TIME_FIELD})]
    return Frame(
        target.ref_id,
        tuple(
            Field(name, TIME, [time_of(line) for line in found])
            if name == TIME_FIELD
            else Field(name, STRING, [line.text(name) for line in found])
            for name in names
        ),
    )


def time_of(line: Line) -> float:
    """Return a line's time in epoch seconds; 0 if it has no valid one."""
    text = line.text(TIME_FIELD)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _metric(target: Target) -> Mapping[str, Any]:
    metrics = target.body.get("metrics") or [{"type": "count"}]
    metric: Mapping[str, Any] = metrics[0]
    if len(metrics) != 1 or metric.get("type") not in ("count", "raw_data", "raw_document", "logs"):
        kinds = ", ".join(str(one.get("type")) for one in metrics)
        raise UnsupportedQuery(f"Query {target.ref_id} asks Elasticsearch for {kinds}: only counts and documents here.")
    return metric


def _groupings(target: Target) -> tuple[list[Terms], bool]:
    terms, over_time = [], False
    for item in target.body.get("bucketAggs") or ():
        settings = item.get("settings") or {}
        if item["type"] == "terms":
            size = min(int(settings.get("size") or 10) or _MOST_TERMS, _MOST_TERMS)
            terms.append(Terms(str(item["field"]), size, int(settings.get("min_doc_count") or 1)))
        elif item["type"] == "date_histogram":
            over_time = True
        else:
            raise UnsupportedQuery(f"Query {target.ref_id} groups by {item['type']}, which is not known here.")
    return terms, over_time


def _aggregations(terms: list[Terms], window: Window | None) -> dict[str, Any] | None:
    inner: dict[str, Any] | None = None
    if window is not None:
        inner = {
            "time": {
                "date_histogram": {
                    "field": TIME_FIELD,
                    "fixed_interval": f"{round(window.step * 1000)}ms",
                    "min_doc_count": 0,
                    "extended_bounds": {"min": round(window.start * 1000), "max": round(window.end * 1000)},
                    "format": "epoch_millis",
                }
            }
        }
    for group in reversed(terms):
        nested: dict[str, Any] = {
            "terms": {
                "field": group.field,
                "size": group.size,
                "min_doc_count": max(group.min_doc_count, 1),
                "order": {"_count": "desc"},
            }
        }
        if inner:
            nested["aggs"] = inner
        inner = {"terms": nested}
    return inner


def _counts_over_time(target: Target, terms: list[Terms], root: Mapping[str, Any], window: Window) -> Iterator[Frame]:
    # Elasticsearch's intervals begin at the epoch, as Prometheus's steps do.
    first = align(window.start, window.step)
    grid = [first + index * window.step for index in range(int((window.end - first) / window.step) + 1)]
    for labels, found in _leaves(root, terms, {}):
        counts = {bucket["key"] / 1000: float(bucket["doc_count"]) for bucket in found["time"]["buckets"]}
        values = [counts.get(moment, 0.0) for moment in grid]
        yield Frame(
            target.ref_id,
            (
                Field(TIME_NAME, TIME, grid),
                Field(COUNT, NUMBER, values, labels, " ".join(labels.values()) or COUNT),
            ),
        )


def _counts(target: Target, terms: list[Terms], root: Mapping[str, Any]) -> Frame:
    rows = [(labels, float(found["doc_count"])) for labels, found in _leaves(root, terms, {})]
    return Frame(
        target.ref_id,
        (
            *(Field(group.field, STRING, [labels[group.field] for labels, _ in rows]) for group in terms),
            Field(COUNT, NUMBER, [count for _, count in rows]),
        ),
    )


def _leaves(
    found: Mapping[str, Any], terms: list[Terms], labels: dict[str, str]
) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    if not terms:
        if found:
            yield labels, found
        return
    for bucket in (found.get("terms") or {}).get("buckets", ()):
        name = str(bucket.get("key_as_string", bucket["key"]))
        yield from _leaves(bucket, terms[1:], {**labels, terms[0].field: name})
