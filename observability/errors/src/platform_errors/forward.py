"""Forwards envelopes to another Sentry: a small bounded queue and one thread. Never delays what is stored here."""

from __future__ import annotations

import queue
import threading
from typing import Protocol

import urllib3
from sentry_sdk.envelope import Envelope
from sentry_sdk.utils import Dsn

from platform_errors.counters import Counters

# At most the size of one body each.
MOST_QUEUED = 8
_TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)
_CLIENT = "platform-errors"


class Forwarding(Protocol):
    """Where envelopes go besides the store."""

    def forward(self, envelope: Envelope) -> None:
        """Take an envelope. Returns at once."""


class Nowhere:
    """No other Sentry."""

    def forward(self, envelope: Envelope) -> None:
        """Do nothing."""


class Forwarder:
    """Sends each envelope once: what the other Sentry doesn't take is counted, it is stored here in any case."""

    def __init__(self, dsn: str, counters: Counters) -> None:
        auth = Dsn(dsn).to_auth(_CLIENT)
        self._url = str(auth.get_api_url())
        self._headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": auth.to_header()}
        self._counters = counters
        self._queue: queue.Queue[bytes] = queue.Queue(MOST_QUEUED)
        self._http = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=_TIMEOUT)
        threading.Thread(target=self._run, name="forward", daemon=True).start()

    def forward(self, envelope: Envelope) -> None:
        """Queue an envelope without the DSN of this receiver."""
        headers = {name: value for name, value in envelope.headers.items() if name != "dsn"}
        try:
            self._queue.put_nowait(Envelope(headers, envelope.items).serialize())
        except queue.Full:
            self._counters.forwarded.labels("queue_full").inc()
        except (ValueError, RecursionError):
            # Python reads NaN, which isn't JSON, and reads deeper than it writes.
            self._counters.forwarded.labels("refused").inc()

    def _run(self) -> None:
        while True:
            self._counters.forwarded.labels(self._send(self._queue.get())).inc()

    def _send(self, body: bytes) -> str:
        try:
            answer = self._http.request("POST", self._url, body=body, headers=self._headers, redirect=False)
        except urllib3.exceptions.HTTPError:
            return "failed"
        return "accepted" if answer.status < 300 else "refused"
