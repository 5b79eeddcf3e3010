"""Queries Elasticsearch: is it up and writable, is its disk full, how old is each service's newest line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

INDEX = "logs-django-*"
# Older lines count as this old: the search stays cheap however long a service has been silent.
HORIZON = "15m"
SERVICES_AT_MOST = 100
TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Snapshot:
    """The result of one query. Times are Unix seconds; lines are those of the last 60 s, by service."""

    up: bool = False
    read_only_indices: int = 0
    disk_used_ratio: float | None = None
    newest: Mapping[str, float] = field(default_factory=dict)
    recent_lines: Mapping[str, int] = field(default_factory=dict)


def look(url: str, session: requests.Session) -> Snapshot:
    """Query Elasticsearch. `up=False` if it doesn't respond, for whatever reason."""
    try:
        settings = _get(session, f"{url}/_all/_settings/index.blocks.*?expand_wildcards=all&flat_settings=true")
        allocation = _get(session, f"{url}/_cat/allocation?format=json&bytes=b")
        answer = session.post(f"{url}/{INDEX}/_search?ignore_unavailable=true", json=_query(), timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError):
        return Snapshot()
    buckets = found.get("aggregations", {}).get("services", {}).get("buckets", [])
    return Snapshot(
        up=True,
        read_only_indices=sum(_is_blocked(index.get("settings", {})) for index in settings.values()),
        disk_used_ratio=_disk(allocation),
        newest={bucket["key"]: bucket["newest"]["value"] / 1000 for bucket in buckets if bucket["newest"]["value"]},
        recent_lines={bucket["key"]: bucket["recent"]["doc_count"] for bucket in buckets},
    )


def _get(session: requests.Session, address: str) -> Any:
    response = session.get(address, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()


def _query() -> dict[str, Any]:
    return {
        "size": 0,
        "timeout": "2s",
        "track_total_hits": False,
        "query": {"range": {"@timestamp": {"gte": f"now-{HORIZON}"}}},
        "aggs": {
            "services": {
                "terms": {"field": "service.name", "size": SERVICES_AT_MOST},
                "aggs": {
                    "newest": {"max": {"field": "@timestamp"}},
                    "recent": {"filter": {"range": {"@timestamp": {"gte": "now-60s"}}}},
                },
            }
        },
    }


def _is_blocked(settings: Mapping[str, Any]) -> bool:
    return any(
        str(settings.get(f"index.blocks.{kind}", "false")) == "true"
        for kind in ("write", "read_only", "read_only_allow_delete")
    )


def _disk(allocation: list[dict[str, Any]]) -> float | None:
    shares = [
        int(node["disk.used"]) / int(node["disk.total"])
        for node in allocation
        if node.get("disk.total") and node.get("disk.used")
    ]
    return max(shares) if shares else None
