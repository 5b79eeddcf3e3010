"""Alertmanager's webhook, version 4: validates the used parts of its body, and parses them into typed values.

Unused fields are ignored, so that Alertmanager may add some. Reference: "webhook_config" in Alertmanager's
documentation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from incidents.models import MAX_FINGERPRINT, MAX_NAME

VERSION = "4"
# An alert takes about 1.5 KB, so this allows about 700 at once.
MAX_BODY_BYTES = 1024 * 1024
MAX_ALERTS = 1000
MAX_TEXT = 8192
MAX_ERRORS = 20
# Go's text for a time that isn't set.
_NEVER_YEAR = 1
# PostgreSQL rejects no other character in a text.
_TEXT = {"type": "string", "maxLength": MAX_TEXT, "pattern": "^[^\\u0000]*$"}
_NAMES = {"type": "object", "maxProperties": 100, "additionalProperties": _TEXT, "propertyNames": _TEXT}
_ALERT = {
    "type": "object",
    "required": ["status", "labels", "startsAt", "fingerprint"],
    "properties": {
        "status": {"enum": ["firing", "resolved"]},
        "labels": {
            **_NAMES,
            "required": ["alertname"],
            "properties": {"alertname": {**_TEXT, "minLength": 1, "maxLength": MAX_NAME}},
        },
        "annotations": _NAMES,
        "startsAt": {"type": "string", "format": "date-time"},
        "endsAt": {"type": "string", "format": "date-time"},
        "generatorURL": _TEXT,
        "fingerprint": {"type": "string", "pattern": f"^[0-9A-Za-z]{{1,{MAX_FINGERPRINT}}}$"},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["version", "alerts"],
    "properties": {
        "version": {"type": "string"},
        "alerts": {"type": "array", "maxItems": MAX_ALERTS, "items": _ALERT},
    },
}
_formats = FormatChecker()


@_formats.checks("date-time", raises=(ValueError, OverflowError))
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or _moment(value) is not None


_validator = Draft202012Validator(SCHEMA, format_checker=_formats)


class Malformed(ValueError):
    """The body isn't JSON."""


class Unsupported(ValueError):
    """The body has an unsupported version."""


class Invalid(ValueError):
    """The body violates the webhook's format. `errors` is a list of {field, message}."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


@dataclass(frozen=True)
class Notice:
    """One alert of a notification. `ends_at` is None while it fires."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str = ""

    @property
    def firing(self) -> bool:
        """Return whether it fires."""
        return self.ends_at is None


def parse(body: bytes) -> tuple[Notice, ...]:
    """Parse the alerts of a notification. Raises Malformed, Unsupported or Invalid."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)[:200] or type(error).__name__) from None
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, str) and version != VERSION:
        raise Unsupported(f"Version {version[:20]!r} isn't known here; {VERSION!r} is.")
    found = _validator.iter_errors(document)
    errors = [
        {"field": ".".join(str(part) for part in error.absolute_path), "message": error.message[:200]}
        for error, _ in zip(found, range(MAX_ERRORS), strict=False)
    ]
    errors += [] if errors else _lone_surrogates(document)
    if errors:
        raise Invalid(errors)
    return tuple(_notice(alert) for alert in document["alerts"])


def _lone_surrogates(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return an error for each lone surrogate, which JSON allows and PostgreSQL can't store."""
    errors = []
    for index, alert in enumerate(document["alerts"]):
        for part in ("labels", "annotations", "generatorURL"):
            try:
                json.dumps(alert.get(part), ensure_ascii=False).encode()
            except UnicodeEncodeError:
                errors.append({"field": f"alerts.{index}.{part}", "message": "a lone surrogate"})
    return errors


def _notice(alert: Mapping[str, Any]) -> Notice:
    starts_at = _moment(alert["startsAt"])
    ends_at = _moment(alert["endsAt"]) if "endsAt" in alert else None
    if alert["status"] == "firing":
        ends_at = None
    elif ends_at is None or ends_at.year <= _NEVER_YEAR:
        # Resolved, without a time.
        ends_at = datetime.now(UTC)
    return Notice(
        fingerprint=alert["fingerprint"],
        labels=dict(alert["labels"]),
        annotations=dict(alert.get("annotations") or {}),
        starts_at=starts_at,
        ends_at=ends_at,
        generator_url=alert.get("generatorURL", ""),
    )


def _moment(text: str) -> datetime:
    """Parse a time with its zone, in UTC. Raises ValueError or OverflowError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return to_milliseconds(moment.astimezone(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Truncate to the precision of Alertmanager's API, so that webhook and API identify the same firing."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
