"""Errors in Spotlight."""

from __future__ import annotations

import json
import time
from typing import Any

import requests

# Spotlight replays its stored events at once, then the stream stays open and silent.
SILENCE_SECONDS = 1.0
LONGEST_SECONDS = 10.0


class Spotlight:
    """Spotlight's event stream."""

    def __init__(self, url: str) -> None:
        self.url = url

    def events(self, trace_id: str) -> list[dict[str, Any]]:
        """The error events of a trace that Spotlight still has (it keeps the last 500 envelopes)."""
        return [
            event for event in self._events() if event.get("contexts", {}).get("trace", {}).get("trace_id") == trace_id
        ]

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for _, items in self._envelopes():
            events += [
                payload for header, payload in items if header.get("type") == "event" and isinstance(payload, dict)
            ]
        return events

    def _envelopes(self) -> list[Any]:
        envelopes: list[Any] = []
        deadline = time.monotonic() + LONGEST_SECONDS
        with requests.get(f"{self.url}/stream", stream=True, timeout=(3.0, SILENCE_SECONDS)) as response:
            response.raise_for_status()
            try:
                for line in response.iter_lines():
                    if line.startswith(b"data:"):
                        envelopes.append(json.loads(line.removeprefix(b"data:")))
                    if time.monotonic() > deadline:
                        break
            except requests.exceptions.ConnectionError:
                # No more data: all stored events were received. (requests wraps the read timeout of a stream in this.)
                pass
        return envelopes
