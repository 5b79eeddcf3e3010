"""Keeps the graph up to date: counts each minute, and counts it again while late spans may still arrive."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

import requests
from pythonjsonlogger.json import JsonFormatter

from jaeger_dependencies.links import from_entries
from jaeger_dependencies.store import Store

BUCKET = timedelta(minutes=1)
# A span arrives some seconds after it ends, at the latest. A minute is counted again for this long.
LATE = timedelta(minutes=2)
# After a pause, at most this much time is counted retroactively.
CATCH_UP = timedelta(hours=1)
# Further entries of one minute are left out of the graph's counts. The links that callers report are not limited.
MOST_ENTRIES = 5000

logger = logging.getLogger("jaeger_dependencies")


def buckets(now: datetime, last: datetime | None) -> Iterator[datetime]:
    """The starts of the minutes to count, including the current one."""
    current = now.astimezone(UTC).replace(second=0, microsecond=0)
    earliest = current - LATE
    if last is None or last < earliest:
        earliest = max(current - CATCH_UP, (last or current - CATCH_UP) - LATE)
    while earliest <= current:
        yield earliest
        earliest += BUCKET


def count(store: Store, bucket: datetime) -> int:
    """Count one minute and store the result, unless it is empty. Returns the number of links."""
    end = bucket + BUCKET
    links = store.calls(bucket, end)
    entries = store.entries(bucket, end, MOST_ENTRIES)
    callers = store.callers([entry.parent_id for entry in entries], bucket, end)
    links.update(from_entries(entries, callers))
    if links:
        store.write(bucket, links)
    if len(entries) == MOST_ENTRIES:
        logger.warning("more than %d entries in the minute of %s: the others are not counted", MOST_ENTRIES, bucket)
    return len(links)


def run(store: Store, interval: float, stopping: Event) -> None:
    """Count every `interval` seconds until `stopping` is set. Retries while Elasticsearch is unavailable."""
    last: datetime | None = None
    asked = False
    while not stopping.is_set():
        now = datetime.now(UTC)
        try:
            if not asked:
                last = store.last_written(now, CATCH_UP)
                asked = True
            for bucket in buckets(now, last):
                if stopping.is_set():
                    return
                count(store, bucket)
                last = bucket
        except (requests.RequestException, KeyError, ValueError) as error:
            logger.warning("could not count, will try again: %s", error)
        stopping.wait(interval)


def configure_logging() -> None:
    """Write JSON lines with ECS names to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    names = {"levelname": "log.level", "name": "log.logger"}
    static = {"service.name": "jaeger-dependencies"}
    handler.setFormatter(
        JsonFormatter(
            "%(levelname)s %(name)s %(message)s", rename_fields=names, static_fields=static, timestamp="@timestamp"
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
