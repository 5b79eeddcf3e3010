"""Groups events as Sentry does by default: by fingerprint, else by exceptions and their in-app frames, else by message.

https://docs.sentry.io/concepts/data-management/event-grouping/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

# In a fingerprint it stands for the default grouping, to which other parts then add.
DEFAULT = ("{{ default }}", "{{default}}")
_TITLE_CHARACTERS = 200


def key(event: Mapping[str, Any], service: str) -> str:
    """The group's key, 32 hexadecimal digits. Events of one group have the same; each service has its own groups.

    A service is here what a project is in Sentry.
    """
    parts: list[str] = [service]
    for part in _fingerprint(event):
        if part in DEFAULT:
            parts += ["default", *_default(event)]
        else:
            parts += ["fingerprint", part]
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


def title(event: Mapping[str, Any]) -> str:
    """One line for people: the last exception's type and text, or the message."""
    chain = exceptions(event)
    if chain:
        kind, value = text(chain[-1].get("type")), text(chain[-1].get("value"))
        found = f"{kind}: {value}" if kind and value else kind or value
    else:
        found = message(event)
    first_line = found.strip().partition("\n")[0].strip()
    return first_line[:_TITLE_CHARACTERS] or "an event without exception and message"


def culprit(event: Mapping[str, Any]) -> str:
    """Where the last exception was raised: `module in function` of the innermost in-app frame, else of the innermost.

    Without a stack it is the transaction or the logger.
    """
    chain = exceptions(event)
    stack = frames(chain[-1]) if chain else []
    if not stack:
        return text(event.get("transaction")) or text(event.get("logger"))
    frame = next((frame for frame in reversed(stack) if frame.get("in_app")), stack[-1])
    return f"{_module(frame) or '?'} in {text(frame.get('function')) or '?'}"


def exceptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The chain of exceptions; the last one was raised last."""
    given = event.get("exception")
    values = given.get("values") if isinstance(given, Mapping) else given
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def frames(exception: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The stack of an exception, outermost first."""
    stack = exception.get("stacktrace")
    values = stack.get("frames") if isinstance(stack, Mapping) else None
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def message(event: Mapping[str, Any], *, template: bool = False) -> str:
    """The log message, as it was formatted or as its template: events that differ in values share a template."""
    entry = event.get("logentry")
    if isinstance(entry, Mapping):
        order = ("message", "formatted") if template else ("formatted", "message")
        return text(entry.get(order[0])) or text(entry.get(order[1]))
    return text(event.get("message"))


def text(value: Any) -> str:
    """A scalar as text; everything else is empty."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _fingerprint(event: Mapping[str, Any]) -> list[str]:
    given = event.get("fingerprint")
    parts = [text(part) for part in given] if isinstance(given, list) else []
    return [part for part in parts if part] or [DEFAULT[0]]


def _default(event: Mapping[str, Any]) -> Iterator[str]:
    chain = exceptions(event)
    if not chain:
        yield from ("message", message(event, template=True) or text(event.get("transaction")))
        return
    is_in_app = any(frame.get("in_app") for exception in chain for frame in frames(exception))
    has_frames = any(frames(exception) for exception in chain)
    for exception in chain:
        yield from ("type", text(exception.get("type")))
        if not has_frames:
            yield from ("value", text(exception.get("value")))
        for frame in frames(exception):
            if frame.get("in_app") or not is_in_app:
                # No line number: an edit above the line doesn't make another group.
                yield from ("frame", _module(frame), text(frame.get("function")))
                yield text(frame.get("context_line")).strip()


def _module(frame: Mapping[str, Any]) -> str:
    return text(frame.get("module")) or text(frame.get("filename"))
