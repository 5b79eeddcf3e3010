"""Spotlight, Sentry's local viewer: the stored error events, as typed values.

Spotlight has no search. Its stream starts with everything in its memory (the newest 500 envelopes) and then waits for
more, so this client reads until the stream pauses. Times are seconds since the epoch. Raises BackendDown when
Spotlight doesn't answer in time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import requests
from django.conf import settings
from django_telemetry.edges import DependencyRefused, DependencyTimeout, timed_call

from backends.errors import BackendDown

NAME = "spotlight"
# Spotlight sends its stored events at once; a pause of this length means that there are no more.
_QUIET_SECONDS = 0.4
_CONNECT_SECONDS = 2.0
_MAX_BYTES = 16 * 1024 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error reported by sentry-sdk. ``process`` is the reporting process, ``culprit`` where it was raised."""

    event_id: str
    time: float
    level: str
    type: str
    value: str
    culprit: str
    process: str
    release: str
    trace_id: str
    request_id: str
    transaction: str

    @property
    def title(self) -> str:
        """Return one line: the exception's type and text, or the message."""
        return f"{self.type}: {self.value}" if self.type else self.value


class Spotlight:
    """A client of one Spotlight. Thread-safe."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout

    def events(self, start: float | None = None, end: float | None = None) -> list[ErrorEvent]:
        """Return error events from ``start`` to ``end`` that are still in memory, oldest first."""
        found = [event for envelope in self._envelopes() for event in parse(envelope)]
        wanted = [
            event for event in found if (start is None or event.time >= start) and (end is None or event.time <= end)
        ]
        return sorted(wanted, key=lambda event: (event.time, event.event_id))

    def _envelopes(self) -> list[Any]:
        """Return the envelopes in memory, parsed."""
        try:
            with timed_call(NAME, "http", "GET /stream"):
                return list(_messages(self._read()))
        except (DependencyRefused, DependencyTimeout) as error:
            raise BackendDown(NAME, f"no connection ({error.outcome})") from error

    def _read(self) -> bytes:
        """Return what the stream sends until it pauses."""
        deadline = time.monotonic() + self._timeout
        received = bytearray()
        try:
            with requests.get(
                f"{self._base_url}/stream",
                headers={"Accept": "text/event-stream"},
                timeout=(_CONNECT_SECONDS, _QUIET_SECONDS),
                stream=True,
                allow_redirects=False,
            ) as response:
                if response.status_code != requests.codes.ok:
                    raise BackendDown(NAME, f"HTTP {response.status_code}")
                while time.monotonic() < deadline and len(received) < _MAX_BYTES:
                    chunk = response.raw.read1(_CHUNK, decode_content=True)
                    if not chunk:
                        break
                    received += chunk
        except requests.exceptions.ConnectTimeout as error:
            raise DependencyTimeout(NAME, "GET /stream") from error
        except requests.exceptions.RequestException as error:
            if not _is_silence(error):
                raise DependencyRefused(NAME, "GET /stream") from error
        except Exception as error:
            if not _is_silence(error):
                raise
        return bytes(received)


def _is_silence(error: BaseException) -> bool:
    """Return whether this is the read timeout that ends every reading of the stream."""
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, TimeoutError | requests.exceptions.ReadTimeout):
            return True
        current = current.__cause__ or current.__context__
    return False


def _messages(stream: bytes) -> Iterator[Any]:
    """Return the JSON of each complete server-sent event; a truncated last one is ignored."""
    text = stream.decode(errors="replace")
    complete, _, _ = text.rpartition("\n\n")
    for block in complete.split("\n\n"):
        data = "\n".join(line[5:].lstrip(" ") for line in block.split("\n") if line.startswith("data:"))
        if data:
            try:
                yield json.loads(data)
            except ValueError:
                continue


def parse(envelope: Any) -> Iterator[ErrorEvent]:
    """Parse the error events of an envelope: [header, [[item header, payload], …]]. Other items are ignored."""
    if not isinstance(envelope, list) or len(envelope) < 2 or not isinstance(envelope[1], list):
        return
    for item in envelope[1]:
        if not isinstance(item, list) or len(item) < 2:
            continue
        header, payload = item[0], item[1]
        if isinstance(header, Mapping) and header.get("type") == "event" and isinstance(payload, Mapping):
            event = _event(payload)
            if event is not None:
                yield event


def _event(payload: Mapping[str, Any]) -> ErrorEvent | None:
    moment = _time(payload.get("timestamp"))
    if moment is None:
        return None
    exceptions = _mapping(payload.get("exception")).get("values") or ()
    # The last exception of a chain was raised last; Sentry uses it as the title.
    last = _mapping(exceptions[-1]) if isinstance(exceptions, list) and exceptions else {}
    entry = _mapping(payload.get("logentry"))
    value = last.get("value") or entry.get("formatted") or entry.get("message") or payload.get("message") or ""
    return ErrorEvent(
        event_id=str(payload.get("event_id", "")),
        time=moment,
        level=str(payload.get("level", "error")),
        type=str(last.get("type") or ""),
        value=str(value),
        culprit=_culprit(_mapping(last.get("stacktrace")).get("frames")) or str(payload.get("logger") or ""),
        process=str(payload.get("server_name", "")),
        release=str(payload.get("release") or ""),
        trace_id=str(_mapping(_mapping(payload.get("contexts")).get("trace")).get("trace_id") or ""),
        request_id=str(_mapping(payload.get("tags")).get("request_id") or ""),
        transaction=str(payload.get("transaction") or ""),
    )


def _culprit(frames: Any) -> str:
    """Return where it was raised: the innermost frame of our own code if Sentry marked it, otherwise the innermost."""
    known: Iterable[Mapping[str, Any]] = [frame for frame in frames or () if isinstance(frame, Mapping)]
    ordered = list(known)
    if not ordered:
        return ""
    frame = next((frame for frame in reversed(ordered) if frame.get("in_app")), ordered[-1])
    return f"{frame.get('module') or frame.get('filename') or '?'} in {frame.get('function') or '?'}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


@cache
def _client(base_url: str, timeout: float) -> Spotlight:
    return Spotlight(base_url, timeout)


def client() -> Spotlight:
    """Return the client for the Spotlight in the settings (SPOTLIGHT_URL, BACKEND_TIMEOUT_SECONDS)."""
    return _client(settings.SPOTLIGHT_URL, settings.BACKEND_TIMEOUT_SECONDS)
