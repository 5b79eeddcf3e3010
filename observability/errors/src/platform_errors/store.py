"""Stores documents in Elasticsearch: a bounded queue, and one thread that retries until Elasticsearch is back."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import urllib3

from platform_errors.counters import Counters
from platform_errors.elasticsearch import Connection

STREAM = "logs-errors-default"
MOST_QUEUED = 1000
MOST_QUEUED_BYTES = 4 * 1024 * 1024
# After a refusal of the whole queue, clients shall try again when a batch may have left it.
RETRY_AFTER_SECONDS = 10

_BATCH_DOCUMENTS = 100
_BATCH_BYTES = 1024 * 1024
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_CREATED, _CONFLICT = 201, 409
# The store as a whole doesn't take documents now: full, read-only, overloaded. Anything else concerns the document.
_LATER = frozenset({403, 408, 429, 500, 502, 503, 504})

logger = logging.getLogger("errors")


class _Entry(NamedTuple):
    id: str
    body: bytes


class Store:
    """The queue and its thread. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        counters: Counters,
        stream: str = STREAM,
        most: int = MOST_QUEUED,
        most_bytes: int = MOST_QUEUED_BYTES,
    ) -> None:
        self._connection = connection
        self._counters = counters
        self._stream = stream
        self._most = most
        self._most_bytes = most_bytes
        self._queue: deque[_Entry] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self.is_reachable = True
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Start storing."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Store what is queued for at most `seconds`; what is left then is counted as lost."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            self._changed.notify_all()
        self._thread.join(seconds + 1)
        with self._changed:
            if self._queue:
                self._counters.lost.labels("shutdown").inc(len(self._queue))
                logger.warning("%d errors could not be stored before the stop", len(self._queue))

    @property
    def size(self) -> tuple[int, int]:
        """Documents and bytes in the queue."""
        with self._changed:
            return len(self._queue), self._bytes

    def put(self, documents: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
        """Queue all of these, or none if the queue has no space for them: then they count as lost."""
        entries = [_Entry(identifier, _encoded(found)) for identifier, found in documents]
        size = sum(len(entry.body) for entry in entries)
        with self._changed:
            if len(self._queue) + len(entries) > self._most or self._bytes + size > self._most_bytes:
                self._counters.lost.labels("queue_full").inc(len(entries))
                return False
            self._queue.extend(entries)
            self._bytes += size
            self._changed.notify_all()
        self._counters.received.inc(len(entries))
        return True

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while batch := self._next_batch():
            left = self._send(batch)
            with self._changed:
                done = len(batch) - len(left)
                for _ in batch:
                    self._bytes -= len(self._queue.popleft().body)
                # What is to be sent again keeps its place.
                self._queue.extendleft(reversed(left))
                self._bytes += sum(len(entry.body) for entry in left)
                self.is_reachable = not left
                if not left:
                    pause = _FIRST_PAUSE
                    continue
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    return
                until = min(pause, self._deadline - time.monotonic()) if self._deadline is not None else pause
                self._changed.wait_for(lambda: self._deadline is not None, timeout=until)
                pause = _FIRST_PAUSE if done else min(2 * pause, _LONGEST_PAUSE)

    def _next_batch(self) -> list[_Entry]:
        """The oldest entries, which stay in the queue; waits for the first. Empty when there are none and it stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._deadline is not None)
            batch: list[_Entry] = []
            size = 0
            for entry in self._queue:
                if batch and (len(batch) >= _BATCH_DOCUMENTS or size + len(entry.body) > _BATCH_BYTES):
                    break
                batch.append(entry)
                size += len(entry.body)
            return batch

    def _send(self, batch: Sequence[_Entry]) -> list[_Entry]:
        """Send a batch; returns what is to be sent again."""
        lines = bytearray()
        for entry in batch:
            lines += b'{"create":{"_id":"%s"}}\n' % entry.id.encode() + entry.body + b"\n"
        try:
            answer = self._connection.post(
                f"/{self._stream}/_bulk?filter_path=items.create.status,items.create.error",
                bytes(lines),
                content_type="application/x-ndjson",
            )
            statuses = [item["create"] for item in answer["items"]]
            if len(statuses) != len(batch):
                raise ValueError("an answer of another length")
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
            if self.is_reachable:
                logger.warning("Elasticsearch does not take errors, will try again: %s", error)
            return list(batch)
        return [entry for entry, outcome in zip(batch, statuses, strict=True) if not self._is_settled(entry, outcome)]

    def _is_settled(self, entry: _Entry, outcome: Mapping[str, Any]) -> bool:
        status = int(outcome["status"])
        if status == _CREATED:
            self._counters.stored.inc()
        elif status == _CONFLICT:
            self._counters.duplicates.inc()
        elif status in _LATER:
            return False
        else:
            self._counters.lost.labels("refused").inc()
            logger.error("Elasticsearch refuses the error %s: %s", entry.id, str(outcome.get("error"))[:1000])
        return True


def _encoded(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8, not longer than the event was. Half of a surrogate pair has no encoding."""
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")
