"""The message of a log record, whatever was logged: without raising, and without evaluating lazy objects."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.http import HttpRequest

from ._plain import CONTAINERS, is_lazy, repr_of, text_of
from ._url import safe_path

MAX_LOG_MESSAGE = 8192
# Enough of a message to recognise a client's value that crosses the end of the kept part.
LONGEST_MESSAGE = 2 * MAX_LOG_MESSAGE


class _Shown(str):
    """The text of an argument, also for ``%r``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__str__(self)


def _argument(value: Any, path: str | None, shown: str, *, all_as_text: bool) -> Any:
    kind = type(value)
    if kind is str:
        return shown if value == path else value
    if all_as_text or is_lazy(kind) or kind in CONTAINERS or issubclass(kind, BaseException):
        return _Shown(text_of(value, LONGEST_MESSAGE))
    return value


def _message(record: logging.LogRecord, *, all_as_text: bool = False) -> str:
    """The record's message. Django's messages about a request contain the path, which is client-supplied.

    Lazy objects are not evaluated. Raises what the formatting of the arguments raises.
    """
    message, args = record.msg, record.args
    if type(message) is not str:
        message = text_of(message, LONGEST_MESSAGE)
    if not args:
        return message
    request: Any = record.__dict__.get("request")
    path, shown = None, ""
    if issubclass(type(request), HttpRequest):
        path, shown = request.path, safe_path(request.path, getattr(request, "urlconf", None))
    if isinstance(args, Mapping):
        return message % {key: _argument(value, path, shown, all_as_text=all_as_text) for key, value in args.items()}
    return message % tuple(_argument(value, path, shown, all_as_text=all_as_text) for value in args)


def message_of(record: logging.LogRecord) -> str:
    """The record's message, not redacted. With arguments that can't be formatted, the message without them."""
    try:
        return _message(record)
    except Exception:  # an argument whose __str__ raises
        with suppress(Exception):
            return _message(record, all_as_text=True)
    return text_of(record.msg, LONGEST_MESSAGE)  # wrong arguments


def event_of(event: Mapping[Any, Any]) -> tuple[str, dict[Any, Any]]:
    """(message, extras) of a dict that was logged instead of a text."""
    # structlog passes these to its own formatter.
    extras = {key: value for key, value in event.items() if key not in ("_record", "_from_structlog")}
    for name in ("message", "event", "msg"):
        if type(extras.get(name)) is str:
            return extras.pop(name), extras
    return repr_of(event, LONGEST_MESSAGE), extras
