"""The minutes to count, and the behaviour while Elasticsearch is unavailable."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import requests
from jaeger_dependencies import job
from jaeger_dependencies.links import Caller, Entry, Links
from jaeger_dependencies.store import Store
from platform_testing.polling import eventually

NOW = datetime(2026, 6, 30, 12, 30, 45, tzinfo=UTC)


def minutes(now: datetime, last: datetime | None) -> list[str]:
    return [f"{bucket:%H:%M}" for bucket in job.buckets(now, last)]


def test_the_current_minute_and_those_that_may_still_get_spans_are_counted_again() -> None:
    assert minutes(NOW, NOW - timedelta(minutes=1)) == ["12:28", "12:29", "12:30"]


def test_after_a_pause_missed_minutes_are_counted() -> None:
    paused = minutes(NOW, datetime(2026, 6, 30, 12, 10, tzinfo=UTC))
    assert (paused[0], paused[-1], len(paused)) == ("12:08", "12:30", 23)


@pytest.mark.parametrize("last", [None, NOW - timedelta(days=3)])
def test_at_most_an_hour_is_counted_retroactively(last: datetime | None) -> None:
    first, *_, latest = job.buckets(NOW, last)
    assert (first, latest) == (datetime(2026, 6, 30, 11, 30, tzinfo=UTC), datetime(2026, 6, 30, 12, 30, tzinfo=UTC))


class Fake(Store):
    """Returns results from memory; raises while `failures` is positive."""

    def __init__(self, failures: int = 0) -> None:
        self.written: dict[datetime, Mapping[tuple[str, str], int]] = {}
        self.writes = 0
        self._failures = failures

    def calls(self, start: datetime, end: datetime) -> Links:
        if self._failures:
            self._failures -= 1
            raise requests.ConnectionError("away")
        assert end - start == job.BUCKET
        return Counter({("orders", "users"): 3})

    def entries(self, start: datetime, end: datetime, most: int) -> list[Entry]:
        return [Entry("notifications", "p1")]

    def callers(self, span_ids: Sequence[str], start: datetime, end: datetime) -> dict[str, Caller]:
        return {"p1": Caller("orders", "rabbitmq")} if "p1" in span_ids else {}

    def write(self, bucket: datetime, links: Mapping[tuple[str, str], int]) -> None:
        self.written[bucket] = dict(links)
        self.writes += 1

    def last_written(self, now: datetime, back: timedelta) -> datetime | None:
        return now


def test_links_reported_by_callers_and_by_callees_are_merged() -> None:
    store = Fake()
    assert job.count(store, NOW) == 2
    assert store.written[NOW] == {("orders", "users"): 3, ("orders", "notifications"): 1}


def test_counting_a_minute_twice_gives_the_same_document() -> None:
    store = Fake()
    job.count(store, NOW)
    before = dict(store.written)
    job.count(store, NOW)
    assert (store.written, store.writes) == (before, 2)


def test_an_outage_of_elasticsearch_is_retried_and_a_stop_ends_it_at_once() -> None:
    store, stopping = Fake(failures=3), threading.Event()
    thread = threading.Thread(target=job.run, args=(store, 0.01, stopping))
    thread.start()
    try:
        eventually(lambda: store.written, "a written document")
    finally:
        stopping.set()
        thread.join(timeout=5)
    assert not thread.is_alive()
