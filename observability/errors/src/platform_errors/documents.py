"""Turns Sentry's events into documents of the Elastic Common Schema, each with a bounded size.

What Sentry's clients may add about people and requests (user, headers, cookies, bodies, local variables, query strings,
breadcrumbs, extra) is left out: logs and traces with the same trace id have the context.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from platform_errors import grouping
from platform_errors.grouping import text

ECS_VERSION = "8.11"
NO_SERVICE = "unknown"

_LONGEST = 1024
_LONGEST_MESSAGE = 8192
_LONGEST_STACK = 65_536
_MOST_EXCEPTIONS = 5
# The outermost frames matter least: they are the server's.
_MOST_FRAMES = 50
_LONGEST_LINE = 256
_MOST_LINES = 5
_MOST_LABELS = 50
# As Sentry: an event from the future or older than this has a wrong clock.
_FUTURE_SECONDS = 60
_OLDEST_SECONDS = 30 * 86_400
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def document(event: Mapping[str, Any], now: datetime) -> tuple[str, dict[str, Any]]:
    """The id and the document of an event. `now` is the time of arrival, for events without a plausible one."""
    tags = _tags(event)
    service = _service(event, tags)
    identifier = event_id(event)
    chain = grouping.exceptions(event)
    last = chain[-1] if chain else {}
    trace = _mapping(_mapping(event.get("contexts")).get("trace"))
    request = _mapping(event.get("request"))
    found = {
        "@timestamp": _time(event.get("timestamp"), now).isoformat(timespec="milliseconds"),
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": identifier,
            "kind": "event",
            "dataset": "errors",
            "ingested": now.isoformat(timespec="milliseconds"),
        },
        "message": grouping.title(event),
        "log": {"level": _short(event.get("level")) or "error", "logger": _short(event.get("logger"))},
        "service": {
            "name": service,
            "version": _version(event),
            "environment": _short(event.get("environment")),
            "node": {"name": _short(event.get("server_name"))},
        },
        "error": {
            "id": identifier,
            "type": _short(last.get("type")),
            "message": (text(last.get("value")) or grouping.message(event))[:_LONGEST_MESSAGE],
            "culprit": grouping.culprit(event)[:_LONGEST],
            "grouping_key": grouping.key(event, service),
            "grouping_name": grouping.title(event),
            "stack_trace": stack_trace(chain),
            "exception": [_exception(exception) for exception in chain[-_MOST_EXCEPTIONS:]],
        },
        "trace": {"id": _matching(_TRACE_ID, trace.get("trace_id"))},
        "span": {"id": _matching(_SPAN_ID, trace.get("span_id"))},
        "transaction": {"name": _short(event.get("transaction"))},
        "request": {"id": tags.pop("request_id", "")},
        "http": {"request": {"method": _short(request.get("method"))}},
        "url": {"path": _path(request.get("url"))},
        "labels": tags,
    }
    return identifier, _without_empty(found)


def event_id(event: Mapping[str, Any]) -> str:
    """The event's id; a new one if it has none, as Sentry assigns."""
    given = text(event.get("event_id")).replace("-", "").lower()
    return given if _EVENT_ID.fullmatch(given) else uuid.uuid4().hex


def stack_trace(chain: list[Mapping[str, Any]]) -> str:
    """The exceptions as Python prints them."""
    joint = "\nDuring the handling of the above exception, another was raised:\n\n"
    printed = joint.join("".join(_printed(exception)) for exception in chain[-_MOST_EXCEPTIONS:])
    return printed[-_LONGEST_STACK:]


def _printed(exception: Mapping[str, Any]) -> Iterator[str]:
    stack = grouping.frames(exception)[-_MOST_FRAMES:]
    if stack:
        yield "Traceback (most recent call last):\n"
    for frame in stack:
        place = text(frame.get("filename")) or text(frame.get("module")) or "?"
        yield f'  File "{place[:_LONGEST]}", line {_line(frame) or "?"}, in {_short(frame.get("function")) or "?"}\n'
        if source := _short(frame.get("context_line")).strip():
            yield f"    {source}\n"
    kind, value = _short(exception.get("type")), text(exception.get("value"))[:_LONGEST_MESSAGE]
    yield f"{kind}: {value}\n" if kind and value else f"{kind or value}\n"


def _exception(exception: Mapping[str, Any]) -> dict[str, Any]:
    handled = _mapping(exception.get("mechanism")).get("handled")
    return {
        "type": _short(exception.get("type")),
        "message": text(exception.get("value"))[:_LONGEST],
        "module": _short(exception.get("module")),
        "handled": handled if isinstance(handled, bool) else None,
        "stacktrace": [_frame(frame) for frame in grouping.frames(exception)[-_MOST_FRAMES:]],
    }


def _frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "module": _short(frame.get("module")),
        "filename": _short(frame.get("filename")),
        "function": _short(frame.get("function")),
        "in_app": bool(frame.get("in_app")),
        "line": {"number": _line(frame), "context": text(frame.get("context_line"))[:_LONGEST_LINE]},
        "context": {"pre": _lines(frame.get("pre_context")), "post": _lines(frame.get("post_context"))},
    }


def _line(frame: Mapping[str, Any]) -> int | None:
    number = frame.get("lineno")
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31 else None


def _lines(given: Any) -> list[str]:
    return [text(line)[:_LONGEST_LINE] for line in given[:_MOST_LINES]] if isinstance(given, list) else []


def _service(event: Mapping[str, Any], tags: dict[str, str]) -> str:
    """Its name: the tag, else OpenTelemetry's resource, else the release's package, else the server's name."""
    resource = _mapping(_mapping(_mapping(event.get("contexts")).get("otel")).get("resource"))
    package, at, _ = text(event.get("release")).partition("@")
    candidates = (tags.pop("service_name", ""), resource.get("service.name"), at and package, event.get("server_name"))
    return next((name for candidate in candidates if (name := _short(candidate))), NO_SERVICE)


def _version(event: Mapping[str, Any]) -> str:
    """The release's version, without the package of `package@version`."""
    release = text(event.get("release"))
    _, at, version = release.partition("@")
    return (version if at else release)[:_LONGEST]


def _tags(event: Mapping[str, Any]) -> dict[str, str]:
    given = event.get("tags")
    pairs = given.items() if isinstance(given, Mapping) else given if isinstance(given, list) else ()
    found: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, list | tuple) and len(pair) == 2 and (name := text(pair[0])[:64]):
            # A dot would make an object of what another event has as a value.
            found[name.replace(".", "_")] = text(pair[1])[:256]
        if len(found) >= _MOST_LABELS:
            break
    return found


def _time(given: Any, now: datetime) -> datetime:
    try:
        moment = (
            datetime.fromtimestamp(given, UTC)
            if isinstance(given, int | float)
            else datetime.fromisoformat(text(given))
        )
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        late = (now - moment).total_seconds()
    except (ValueError, OverflowError, OSError):
        return now
    return moment.astimezone(UTC) if -_FUTURE_SECONDS <= late <= _OLDEST_SECONDS else now


def _path(given: Any) -> str:
    """The path of a URL: its query may contain what must not be stored."""
    try:
        return urlsplit(text(given)).path[:_LONGEST]
    except ValueError:
        return ""


def _short(given: Any) -> str:
    return text(given)[:_LONGEST]


def _matching(pattern: re.Pattern[str], given: Any) -> str:
    return text(given) if pattern.fullmatch(text(given)) else ""


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _without_empty(given: Any) -> Any:
    """The same without empty members: an empty text or object says nothing and takes space."""
    if isinstance(given, dict):
        kept = {name: _without_empty(value) for name, value in given.items()}
        return {name: value for name, value in kept.items() if value not in ("", None, {}, [])}
    return [_without_empty(value) for value in given] if isinstance(given, list) else given
