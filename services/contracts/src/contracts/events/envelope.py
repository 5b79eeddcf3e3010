"""CloudEvents envelopes: build, encode, decode, validate.

Source: CloudEvents 1.0, structured content mode in JSON.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

SOURCE_PREFIX = "/services/"
# Far above any order's event; a larger body is a mistake of its sender and isn't worth parsing.
MAX_BODY_BYTES = 256 * 1024

# jsonschema checks `date-time` only with an extra package, and silently skips it otherwise.
_formats = FormatChecker()


@_formats.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


# All reasons of InvalidEvent.
INVALID_REASONS = ("too_large", "malformed_json", "not_an_object", "unknown_type", "schema_violation")


class InvalidEvent(ValueError):
    """A message that isn't an event of the contract. `reason` is short, from a closed vocabulary and safe to log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


@cache
def schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema of an event type.

    Raises InvalidEvent (unknown_type) when there is none.
    """
    # Types come from clients: only names of existing schema files may reach the file system.
    if event_type not in event_types():
        raise InvalidEvent("unknown_type", event_type[:100])
    return json.loads(resources.files("contracts.events").joinpath(f"schemas/{event_type}.json").read_text())


@cache
def event_types() -> frozenset[str]:
    """Return every event type that has a schema."""
    folder = resources.files("contracts.events").joinpath("schemas")
    return frozenset(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


@cache
def _validator(event_type: str) -> Draft202012Validator:
    return Draft202012Validator(schema(event_type), format_checker=_formats)


def new_event(event_type: str, *, service: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    """Build a valid event about `subject` (an id). Raises InvalidEvent when `data` violates the schema."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"{SOURCE_PREFIX}{service}",
        "type": event_type,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
    validate(event)
    return event


def encode(event: dict[str, Any]) -> bytes:
    """Return the event as a message body."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def decode(body: bytes) -> dict[str, Any]:
    """Parse and validate a message body.

    Raises InvalidEvent with reason too_large, malformed_json, not_an_object, unknown_type or schema_violation.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidEvent("too_large", f"{len(body)} bytes, at most {MAX_BODY_BYTES}")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidEvent("malformed_json") from None
    if not isinstance(event, dict):
        raise InvalidEvent("not_an_object")
    validate(event)
    return event


def validate(event: dict[str, Any]) -> None:
    """Raise InvalidEvent (unknown_type or schema_violation) unless the event conforms to its type's schema."""
    event_type = event.get("type")
    if not isinstance(event_type, str):
        raise InvalidEvent("unknown_type")
    error = next(iter(_validator(event_type).iter_errors(event)), None)
    if error is not None:
        # The path and the rule, never the value: it may be a customer's address.
        path = "/".join(str(part) for part in error.absolute_path) or "."
        raise InvalidEvent("schema_violation", f"{path}: {error.validator}")
