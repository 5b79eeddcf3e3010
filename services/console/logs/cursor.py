"""Where a page of lines ended, as text for an address: Elasticsearch's search_after."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any


def encode(sort: Sequence[Any]) -> str:
    """The sort values of the last line as text; empty without any."""
    if not sort:
        return ""
    return base64.urlsafe_b64encode(json.dumps(list(sort), separators=(",", ":")).encode()).decode().rstrip("=")


def decode(text: str) -> list[Any] | None:
    """Sort values of a cursor: a time in milliseconds and an event id. None of an empty text or of anything else."""
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
