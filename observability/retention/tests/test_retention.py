"""What retention deletes, and what it keeps."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
import responses
from platform_retention.elasticsearch import Policy, Retention, outdated_indices, outdated_traces

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
URL = "http://elasticsearch:9200"


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_a_log_index_is_deleted_when_its_successor_is_older_than_the_limit() -> None:
    created = {"a": days_ago(10), "b": days_ago(8), "c": days_ago(7.1), "d": days_ago(6.9), "e": days_ago(0)}
    assert outdated_indices(created, NOW, 7) == ["a", "b"]


def test_the_index_being_written_to_is_always_kept() -> None:
    assert outdated_indices({"only": days_ago(400)}, NOW, 7) == []
    assert outdated_indices({}, NOW, 7) == []


def test_indices_created_in_the_same_instant_are_ordered_by_name() -> None:
    same = {"000002": days_ago(9), "000001": days_ago(9), "000003": days_ago(8)}
    assert outdated_indices(same, NOW, 7) == ["000001", "000002"]


def test_traces_are_deleted_by_the_day_in_their_name() -> None:
    kinds = ("span", "service", "dependencies", "sampling")
    days = ("2026-06-26", "2026-06-27", "2026-06-30")
    indices = [f"jaeger-{kind}-{day}" for kind in kinds for day in days]
    assert outdated_traces(indices, date(2026, 6, 30), 3) == sorted(f"jaeger-{kind}-2026-06-26" for kind in kinds)


@pytest.mark.parametrize(
    "foreign",
    ["jaeger-span-2020-01-01-copy", "jaeger-span-archive", "logs-2020-01-01", "jaeger-span-20200101", "other"],
)
def test_an_index_with_another_name_is_kept(foreign: str) -> None:
    assert outdated_traces([foreign], date(2026, 6, 30), 1) == []


@responses.activate
def test_it_rolls_over_first_and_then_deletes_outdated_indices() -> None:
    def settings(created: dict[str, datetime]) -> dict[str, object]:
        return {
            name: {"settings": {"index": {"creation_date": str(int(moment.timestamp() * 1000))}}}
            for name, moment in created.items()
        }

    errors = {".ds-logs-y-000001": days_ago(40), ".ds-logs-y-000002": days_ago(31), ".ds-logs-y-000003": days_ago(8)}
    responses.get(f"{URL}/.ds-logs-y-*/_settings/index.creation_date", json=settings(errors))
    logs = {".ds-logs-x-000001": days_ago(9), ".ds-logs-x-000002": days_ago(8), ".ds-logs-x-000003": days_ago(0)}
    responses.get(f"{URL}/.ds-logs-x-*/_settings/index.creation_date", json=settings(logs))
    traces = {"jaeger-span-2026-06-01": days_ago(29), "jaeger-span-2026-06-30": days_ago(0)}
    responses.get(f"{URL}/*jaeger-*/_settings/index.creation_date", json=settings(traces))
    for stream in ("logs-x", "logs-y"):
        responses.post(f"{URL}/{stream}/_rollover", json={"rolled_over": False})
    outdated = [".ds-logs-x-000001", ".ds-logs-y-000001", "jaeger-span-2026-06-01"]
    for name in outdated:
        responses.delete(f"{URL}/{name}", json={"acknowledged": True})
    assert Retention(URL, Policy(7, 3, 30), "logs-x", "logs-y").apply(NOW) == outdated
    changes = [call.request for call in responses.calls if call.request.method != "GET"]
    assert [request.method for request in changes] == ["POST", "POST", "DELETE", "DELETE", "DELETE"]
    assert set(json.loads(changes[0].body or "{}")["conditions"]) == {"max_age", "max_primary_shard_size"}
