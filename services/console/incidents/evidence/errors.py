"""Errors that services reported: which groups of them are new since the fault began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends import error_store
from backends.error_store import ErrorEvent

from incidents.evidence.scene import Scene

MOST = 10
# Groups that are compared; the affected services rarely have more in half an hour.
_GROUPS = 200
_SECONDS = 1800.0


@dataclass(frozen=True)
class Group:
    """Errors of one kind, as the receiver groups them: same exception and same place, or same fingerprint."""

    before: int
    after: int
    latest: ErrorEvent

    @property
    def is_new(self) -> bool:
        """Return whether it did not occur before the fault."""
        return self.before == 0


@dataclass(frozen=True)
class Errors:
    """The groups with errors since the fault began, new ones first."""

    groups: tuple[Group, ...]
    more: int


def find(scene: Scene) -> Errors:
    """Return the errors of the affected services in the half hour before the fault and since. Raises BackendDown."""
    services = [{"terms": {"service.name": list(scene.services)}}] if scene.services else []
    # Below that are events that only tell something, as the probe's.
    query = {"bool": {"filter": services, "must_not": [{"terms": {"log.level": ["info", "debug"]}}]}}
    since = {"range": {"@timestamp": {"gte": round(scene.onset * 1000), "format": "epoch_millis"}}}
    newest = {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": list(error_store.FIELDS)}
    answer = error_store.client().logs(
        query,
        start=scene.onset - _SECONDS,
        end=max(scene.end, scene.start) + 60,
        size=0,
        total=False,
        aggs={
            "groups": {
                "terms": {"field": "error.grouping_key", "size": _GROUPS},
                "aggs": {"after": {"filter": since}, "latest": {"top_hits": newest}},
            }
        },
    )
    buckets = answer.get("aggregations", {}).get("groups", {}).get("buckets", [])
    groups = [_group(bucket) for bucket in buckets if bucket["after"]["doc_count"]]
    groups.sort(key=lambda group: (not group.is_new, -group.after))
    return Errors(tuple(groups[:MOST]), max(0, len(groups) - MOST))


def _group(bucket: Mapping[str, Any]) -> Group:
    after = bucket["after"]["doc_count"]
    (latest,) = bucket["latest"]["hits"]["hits"]
    return Group(bucket["doc_count"] - after, after, error_store.event(latest["_source"]))
