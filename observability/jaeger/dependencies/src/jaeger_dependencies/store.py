"""Jaeger's indices in Elasticsearch: counts of calls, entries with their callers, and the documents of the graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from jaeger_dependencies.links import Caller, Entry, Links

TIMEOUT_SECONDS = 10.0
CALLING_KINDS = ("client", "producer", "consumer")
ENTRY_KINDS = ("server", "consumer")
# The tags that name a span's callee, the most reliable first. Jaeger stores them as fields (tags_as_fields).
PEER_FIELDS = ("tag.peer@service", "tag.db@system@name", "tag.messaging@system")
# Further (service, peer) pairs of one minute are cut off: the graph would be unreadable long before.
MOST_PAIRS = 1000
PAGE = 500
# A parent may start long before its child; this limits the search.
LONGEST_PARENT = timedelta(minutes=10)


class Store:
    """Every query is limited in time range, response size and duration."""

    def __init__(self, url: str, *, index_prefix: str = "") -> None:
        self._url = url.rstrip("/")
        self._prefix = index_prefix
        self._session = requests.Session()

    def calls(self, start: datetime, end: datetime) -> Links:
        """The number of calls by (caller, callee), from the callers' spans that started in [start, end)."""
        sources: list[dict[str, Any]] = [{"service": {"terms": {"field": "process.serviceName"}}}]
        sources += [
            {f"peer{rank}": {"terms": {"field": field, "missing_bucket": True}}}
            for rank, field in enumerate(PEER_FIELDS)
        ]
        names_peer = {
            "bool": {"should": [{"exists": {"field": field}} for field in PEER_FIELDS], "minimum_should_match": 1}
        }
        answer = self._search(
            start,
            end,
            {
                "size": 0,
                "query": {"bool": {"filter": [_began(start, end), _kind(CALLING_KINDS), names_peer]}},
                "aggs": {"pairs": {"composite": {"size": MOST_PAIRS, "sources": sources}}},
            },
        )
        links: Links = Counter()
        for bucket in answer.get("aggregations", {}).get("pairs", {}).get("buckets", []):
            key = bucket["key"]
            peer = next(key[f"peer{rank}"] for rank in range(len(PEER_FIELDS)) if key[f"peer{rank}"])
            links[key["service"], peer] += bucket["doc_count"]
        return links

    def entries(self, start: datetime, end: datetime, most: int) -> list[Entry]:
        """Up to `most` spans of kind server or consumer that have a parent and started in [start, end)."""
        found: list[Entry] = []
        after: list[Any] | None = None
        while len(found) < most:
            body: dict[str, Any] = {
                "size": PAGE,
                "_source": ["process.serviceName", "references"],
                "query": {"bool": {"filter": [_began(start, end), _kind(ENTRY_KINDS), _has_parent()]}},
                "sort": [{"startTimeMillis": "asc"}, {"spanID": "asc"}],
            }
            if after is not None:
                body["search_after"] = after
            hits = self._search(start, end, body)["hits"]["hits"]
            for hit in hits:
                span = hit["_source"]
                parents = [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
                found += [Entry(span["process"]["serviceName"], parent) for parent in parents[:1]]
            if len(hits) < PAGE:
                break
            after = hits[-1]["sort"]
        return found[:most]

    def callers(self, span_ids: Sequence[str], start: datetime, end: datetime) -> dict[str, Caller]:
        """The spans with these ids, by id; missing ones are left out."""
        earliest = start - LONGEST_PARENT
        found: dict[str, Caller] = {}
        for chunk in _chunks(sorted(set(span_ids)), PAGE):
            body = {
                "size": len(chunk),
                "_source": ["spanID", "process.serviceName", "tag"],
                "query": {"bool": {"filter": [_began(earliest, end), {"terms": {"spanID": chunk}}]}},
            }
            for hit in self._search(earliest, end, body)["hits"]["hits"]:
                span = hit["_source"]
                peer = span.get("tag", {}).get("peer@service", "")
                found[span["spanID"]] = Caller(span["process"]["serviceName"], peer)
        return found

    def write(self, bucket: datetime, links: Mapping[tuple[str, str], int]) -> None:
        """Store a bucket's links in Jaeger's format. Storing a bucket again replaces it."""
        document = {
            "timestamp": bucket.isoformat(),
            "dependencies": [
                {"parent": parent, "child": child, "callCount": count}
                for (parent, child), count in sorted(links.items())
            ],
        }
        index = f"{self._prefix}jaeger-dependencies-{bucket:%Y-%m-%d}"
        target = f"{self._url}/{index}/_doc/{bucket:%Y%m%dT%H%M}"
        self._session.put(target, json=document, timeout=TIMEOUT_SECONDS).raise_for_status()

    def last_written(self, now: datetime, back: timedelta) -> datetime | None:
        """The latest stored bucket within `back` before `now`; None without one."""
        answer = self._session.post(
            f"{self._url}/{self._prefix}jaeger-dependencies-*/_search",
            params={"ignore_unavailable": "true", "allow_no_indices": "true"},
            json={
                "size": 1,
                "query": {"range": {"timestamp": {"gte": (now - back).isoformat()}}},
                "sort": [{"timestamp": {"order": "desc", "unmapped_type": "date"}}],
            },
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        hits = answer.json()["hits"]["hits"]
        return datetime.fromisoformat(hits[0]["_source"]["timestamp"]) if hits else None

    def _search(self, start: datetime, end: datetime, body: Mapping[str, Any]) -> dict[str, Any]:
        days = {f"{self._prefix}jaeger-span-{moment:%Y-%m-%d}" for moment in (start, end)}
        answer = self._session.post(
            f"{self._url}/{','.join(sorted(days))}/_search",
            params={"ignore_unavailable": "true"},
            data=json.dumps({"timeout": f"{TIMEOUT_SECONDS:.0f}s", **body}),
            headers={"Content-Type": "application/json"},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


def _began(start: datetime, end: datetime) -> dict[str, Any]:
    return {"range": {"startTimeMillis": {"gte": _millis(start), "lt": _millis(end)}}}


def _kind(kinds: Sequence[str]) -> dict[str, Any]:
    return {"terms": {"tag.span@kind": list(kinds)}}


def _has_parent() -> dict[str, Any]:
    return {"nested": {"path": "references", "query": {"term": {"references.refType": "CHILD_OF"}}}}


def _millis(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
