"""The position after a page of lines, as text for a URL: Elasticsearch's search_after."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any


def encode(sort: Sequence[Any]) -> str:
    """Encode the sort values of the last line; empty without any."""
    if not sort:
        return ""
    return base64.urlsafe_b64encode(json.dumps(list(sort), separators=(",", ":")).encode()).decode().rstrip("=")


def decode(text: str) -> list[Any] | None:
    """Decode a cursor's sort values: a time in milliseconds and an event id. None for an empty or invalid text."""
    if not text or len(text) > 400:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None
    if not isinstance(values, list) or len(values) != 2:
        return None
    moment, event_id = values
    if not isinstance(moment, int) or not (event_id is None or isinstance(event_id, str)):
        return None
    return values
