"""Parameters of a search for traces: parsed from the URL, in the console's own format and in Jaeger's."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.jaeger import MOST_TRACES, TraceQuery
from django.http import QueryDict
from shell.timerange import TimeRange

from traces.reach import search_limit, searched_seconds

LIMITS = (20, 50, 100, MOST_TRACES)
DEFAULT_LIMIT = 50
SORTS = {
    "newest": "newest first",
    "longest": "longest first",
    "errors": "most errors first, of the newest",
    "spans": "most spans first, of the newest",
}
# A duration of ten digits is 30 years in seconds: no span has it.
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(us|µs|ms|s|m)")
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_YES = frozenset({"true", "1", "on", "yes"})
_MICROSECONDS = re.compile(r"\d{15,17}")


@dataclass(frozen=True, slots=True)
class Search:
    """A search as displayed in the form. ``errors`` holds a message for each invalid input.

    Durations are in seconds. ``service`` is empty for any service. Health checks, and the requests of services that
    observe the platform, are left out unless ``shows_probes``.
    """

    timerange: TimeRange
    service: str = ""
    operation: str = ""
    tags_text: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    min_text: str = ""
    min_duration: float | None = None
    max_text: str = ""
    max_duration: float | None = None
    errors_only: bool = False
    limit: int = DEFAULT_LIMIT
    sort: str = "newest"
    shows_probes: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def from_params(cls, params: QueryDict, now: float | None = None) -> Search:
        """Parse a URL. Jaeger's names (start, end in microseconds, minDuration, tags as JSON) are accepted as well."""
        now = time.time() if now is None else now
        errors: dict[str, str] = {}
        timerange, note = _window(params, now)
        tags_text = " ".join(text.strip() for text in params.getlist("tags") if text.strip())
        tags = _read(errors, "tags", tags_from_text, tags_text) or {}
        min_text = (params.get("min") or params.get("minDuration") or "").strip()
        max_text = (params.get("max") or params.get("maxDuration") or "").strip()
        min_duration = _read(errors, "min", duration_from_text, min_text)
        max_duration = _read(errors, "max", duration_from_text, max_text)
        if min_duration is not None and max_duration is not None and min_duration > max_duration:
            errors["max"] = "The longest duration is below the shortest."
        # Jaeger selects failed traces by a tag: here it is a checkbox.
        wants_errors = params.get("error", "").lower() in _YES or tags.get("error") == "true"
        tags = {name: value for name, value in tags.items() if (name, value) != ("error", "true")}
        limit = params.get("limit", "")
        sort = params.get("sort", "")
        return cls(
            timerange=timerange,
            service=params.get("service", "").strip(),
            operation=_operation(params.get("operation", "")),
            tags_text=tags_text if "tags" in errors else tags_to_text(tags),
            tags=tags,
            min_text=min_text,
            min_duration=min_duration,
            max_text=max_text,
            max_duration=max_duration,
            errors_only=wants_errors,
            limit=min(max(1, int(limit)), MOST_TRACES) if limit.isascii() and limit.isdigit() else DEFAULT_LIMIT,
            sort=sort if sort in SORTS else "newest",
            shows_probes=params.get("probes", "").lower() in _YES,
            errors=errors,
            note=note,
        )

    def query(self, service: str, limit: int | None = None) -> TraceQuery:
        """Return the query for Jaeger, within one service."""
        return TraceQuery(
            service=service,
            start=self.timerange.start,
            end=self.timerange.end,
            operation=self.operation,
            tags=self.tags,
            min_duration=self.min_duration,
            max_duration=self.max_duration,
            errors_only=self.errors_only,
            limit=self.limit if limit is None else limit,
        )


def duration_from_text(text: str) -> float | None:
    """Parse `250ms`, `1.5s`, `2m`, `800us` to seconds; empty: None. Raises ValueError with what is allowed."""
    if not text:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("A duration needs a number and a unit, in nine digits or less: 250ms, 1.5s, 2m, 800us.")
    return float(found.group(1)) * _SECONDS[found.group(2)]


def tags_from_text(text: str) -> dict[str, str]:
    """Parse `http.route=/x order.id="a b"`, or a JSON object. Raises ValueError with what is allowed."""
    if not text:
        return {}
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("The tags begin like JSON, but aren't a JSON object.") from None
        return {str(name): _text(value) for name, value in found.items()}
    try:
        parts = shlex.split(text)
    except ValueError:
        raise ValueError("A quotation mark in the tags is open.") from None
    tags = {}
    for part in parts:
        name, separator, value = part.partition("=")
        if not (name and separator and value):
            raise ValueError('Tags are name=value, with spaces between: http.response.status_code=500 order.id="…".')
        tags[name] = value
    return tags


def tags_to_text(tags: Mapping[str, str]) -> str:
    """Return tags as displayed in the form."""
    return " ".join(shlex.quote(f"{name}={value}") for name, value in tags.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(errors: dict[str, str], name: str, read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        errors[name] = str(error)
        return None


def _operation(text: str) -> str:
    # Jaeger's own form sends this for any operation.
    return "" if text.strip() == "all" else text.strip()


def _window(params: QueryDict, now: float) -> tuple[TimeRange, str]:
    start, end = params.get("start", ""), params.get("end", "")
    if _MICROSECONDS.fullmatch(start) and _MICROSECONDS.fullmatch(end) and "from" not in params:
        timerange = TimeRange.from_params({"from": start[:-3], "to": end[:-3]}, now=now)
    else:
        timerange = TimeRange.from_params(params, now=now)
    oldest = now - searched_seconds()
    if timerange.start >= oldest - 60:
        return timerange, timerange.message
    if timerange.end <= oldest:
        return timerange, f"{search_limit()}: there are none left of this time."
    return timerange, f"{search_limit()}: only those are searched."
