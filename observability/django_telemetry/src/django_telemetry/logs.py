"""Logs: one JSON object per line on stdout, with ECS names, the ids of the current unit of work, and no secrets."""

from __future__ import annotations

import copy
import logging
import logging.config
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import orjson
from django.http import HttpRequest
from opentelemetry import trace
from opentelemetry.trace import SpanContext
from pythonjsonlogger.orjson import OrjsonFormatter

from . import errors
from ._cache import SizedCache, size_of
from ._guard import internal_error
from ._ids import hex_ids, new_event_id
from ._plain import encodable, name_of, text_of
from ._records import LONGEST_MESSAGE, MAX_LOG_MESSAGE, event_of, message_of
from ._work import current_work
from .conf import TelemetryConfig, get_config, load
from .redaction import (
    MAX_STACK,
    REDACTED,
    Budget,
    is_hidden,
    redact_exception,
    redact_failure,
    redact_text,
    redact_value,
)
from .writer import LineWriter

ECS_VERSION = "8.11.0"
ACCESS_LOGGER = "django_telemetry.access"
# Memory of a queued access line without its path.
_REQUEST_LINE_BYTES = 640

_ORJSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
_LEVELS = {level: logging.getLevelName(level).lower() for level in (10, 20, 30, 40, 50)}
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# The fields of every line: an extra never replaces them.
_ENVELOPE = (
    "@timestamp",
    "message",
    "ecs.version",
    "log.level",
    "log.logger",
    "service.name",
    "service.node.name",
    "service.environment",
    "service.version",
    "event.id",
    "trace.id",
    "trace.sampled",
    "span.id",
    "request.id",
)
# The ids of a unit of work. A line outside of any has none, but its writer may know them, as a server that refuses
# a request before the application sees it does.
_IDS = {
    "trace.id": re.compile("[0-9a-f]{32}"),
    "span.id": re.compile("[0-9a-f]{16}"),
    "request.id": re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
# The name of an ECS or semantic-convention field.
_FIELD = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)+\Z", re.ASCII)
_LONGEST_NAME = 128


def _jsonable(value: Any) -> str:
    return redact_text(text_of(value, 1024), 512)


def _dumps(fields: Mapping[str, Any], options: int | None = None) -> bytes:
    """``fields`` as JSON. Text that UTF-8 can't encode is escaped."""
    try:
        return orjson.dumps(fields, _jsonable, options)
    except TypeError:
        return orjson.dumps(_encodable(fields), _jsonable, options)


def _quoted(text: str) -> str:
    """``text`` as a JSON string."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        return orjson.dumps(encodable(text)).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {encodable(str(name)): _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


# The request attribute that keeps the log fields of a failed request for lines written after its end.
LOG_FIELDS = "_django_telemetry_log_fields"


def log_fields(context: SpanContext, request_id: str | None) -> dict[str, Any]:
    """The fields that link a line to its trace and its request."""
    fields: dict[str, Any] = {}
    ids = hex_ids(context)
    if ids is not None:
        fields["trace.id"], fields["span.id"] = ids
        fields["trace.sampled"] = context.trace_flags.sampled
    if request_id is not None:
        fields["request.id"] = request_id
    return fields


class EcsFormatter(OrjsonFormatter):
    """Formats a record as one ECS document. Values passed as ``extra`` are redacted by name and by pattern.

    An extra with a dot in its name is kept as an ECS or semantic-convention field (``order.id``). Any other is written
    below ``labels.`` as text, so that two services can't use different types for it in the log store.
    """

    def __init__(self, config: TelemetryConfig | None = None) -> None:
        super().__init__()
        config = config or get_config()
        self.base: dict[str, Any] = {
            "ecs.version": ECS_VERSION,
            "service.name": config.service_name,
            "service.node.name": config.instance_id,
            "service.environment": config.environment,
        }
        if config.service_version:
            self.base["service.version"] = config.service_version

    def format(self, record: logging.LogRecord) -> str:
        return self.format_bytes(record).decode().rstrip("\n")

    def format_bytes(self, record: logging.LogRecord) -> bytes:
        """The record as a line of UTF-8 with its newline."""
        fields = self.document(record.created, record.levelno, record.name)
        request = record.__dict__.get("request")
        if "request.id" not in fields and issubclass(type(request), HttpRequest):
            fields.update(getattr(request, LOG_FIELDS, ()))
        given: dict[Any, Any] = record.__dict__
        if type(record.msg) is dict:  # structlog, and others who log events instead of texts
            message, event = event_of(record.msg)
            given = {**given, **event}
        else:
            message = message_of(record)
        # Messages about failures often quote client-supplied values.
        redact = redact_failure if record.levelno >= logging.ERROR else redact_text
        fields["message"] = redact(message, MAX_LOG_MESSAGE)
        exc = record.exc_info[1] if record.exc_info else None
        if exc is not None:
            fields["error.type"] = name_of(type(exc))
            fields["error.message"], fields["error.stack_trace"] = redact_exception(exc)
        elif record.stack_info:
            fields["error.stack_trace"] = redact_text(str(record.stack_info), MAX_STACK)
        _add_extras(fields, given, own=record.name == ACCESS_LOGGER)
        return self.line(fields)

    def reduced(self, record: logging.LogRecord) -> bytes:
        """The record as a line without what may have made format_bytes() fail: extras, arguments, exception."""
        fields: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(time.time(), UTC),
            "log.level": _LEVELS.get(record.levelno, "info"),
            "log.logger": text_of(record.name, 256),
            **self.base,
            "event.id": new_event_id(),
            "message": redact_failure(text_of(record.msg, LONGEST_MESSAGE), MAX_LOG_MESSAGE),
        }
        return self.line(fields)

    def document(self, created: float, level: int, logger: str) -> dict[str, Any]:
        """The fields of every line, with the ids of the current span and unit of work."""
        fields: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(created, UTC),
            "log.level": _LEVELS.get(level) or logging.getLevelName(level).lower(),
            "log.logger": logger,
            **self.base,
            "event.id": new_event_id(),
        }
        work = current_work()
        fields.update(log_fields(trace.get_current_span().get_span_context(), work.request_id if work else None))
        return fields

    def line(self, fields: Mapping[str, Any]) -> bytes:
        return _dumps(fields, _ORJSON_OPTIONS)


def _add_extras(fields: dict[str, Any], given: Mapping[Any, Any], *, own: bool) -> None:
    """Add what a log call passed as ``extra``. Only the library's own lines replace fields that are there already."""
    budget = Budget()
    for key, value in given.items():
        if key in _RECORD_ATTRIBUTES or (key == "request" and issubclass(type(value), HttpRequest)):
            continue
        name = encodable(text_of(key, _LONGEST_NAME)[:_LONGEST_NAME])
        safe = REDACTED if is_hidden(name, value) else redact_value(value, budget)
        if _FIELD.match(name):
            if own or (name not in fields and (not _is_reserved(name) or _is_id(name, value))):
                fields[name] = safe
                continue
            if fields.get(name) == safe:
                continue
        # A name that isn't a field's would make the log store refuse the line, or contradict the mapping of another.
        label = "labels." + (name.strip(".").replace(".", "_") or "unnamed")
        while label in fields:
            label += "_"
        fields[label] = safe if isinstance(safe, str) else _dumps(safe).decode()


def _is_id(name: str, value: Any) -> bool:
    return name in _IDS and type(value) is str and _IDS[name].fullmatch(value) is not None


def _is_reserved(name: str) -> bool:
    """Whether a field of this name would replace a field of every line, or contradict its type in the log store."""
    return any(f"{name}.".startswith(f"{own}.") or own.startswith(f"{name}.") for own in _ENVELOPE)


_SAID = "__telemetry_said__"


def mark_as_said(exc: BaseException) -> None:
    """Record that ``exc`` has already been logged with the ids of its unit of work."""
    with suppress(AttributeError):  # an exception class with slots is logged twice
        setattr(exc, _SAID, True)


def not_said_yet(record: logging.LogRecord) -> bool:
    """A filter that drops records of an already logged exception: they have no ids and are not redacted."""
    return not (record.exc_info and getattr(record.exc_info[1], _SAID, False))


class StdoutHandler(logging.Handler):
    """Sends records to the process's line writer, and errors also to error reporting."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._own = EcsFormatter()
        self.setFormatter(self._own)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            writer().write(self._line(record))
        except Exception:
            internal_error("logs", "a log line")
        if record.levelno >= logging.ERROR:
            errors.capture_log(record)

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            formatter = self.formatter
            if isinstance(formatter, EcsFormatter):
                return formatter.format_bytes(record)
            return self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:
            internal_error("logs", "the formatting of a log record")
            return self._own.reduced(record)


_writer: LineWriter | None = None


def writer() -> LineWriter:
    """The process's line writer to stdout, created at first use."""
    global _writer
    if _writer is None:
        try:
            descriptor = sys.stdout.fileno()
        except (AttributeError, OSError, ValueError):  # stdout was replaced by an object without a descriptor
            descriptor = 1
        _writer = LineWriter(descriptor)
    return _writer


class RequestLine(NamedTuple):
    """The values of a request's access line.

    ``error`` is an exception's name; ``start`` and ``duration`` are in nanoseconds, ``received`` and ``sent`` in bytes.
    """

    method: str
    route: str | None
    path: str
    status: int
    error: str | None
    start: int
    duration: int
    received: int
    sent: int | None
    request_id: str
    ids: tuple[str, str] | None
    sampled: bool


class AccessLog:
    """Writes one line per request, RPC and message inside its span, bypassing the logging module.

    The level of the logger ``django_telemetry.access`` applies. When that logger has its own handlers, the line goes
    through logging so that they receive it.
    """

    def __init__(self, config: TelemetryConfig) -> None:
        self._logger = logging.getLogger(ACCESS_LOGGER)
        self._on = config.on("logs")
        # Fields that all lines share are serialised once; those that all lines of a kind share, once per kind.
        shared = {
            **EcsFormatter(config).base,
            "log.logger": ACCESS_LOGGER,
            "event.dataset": "access",
            "log.level": "info",
        }
        self._shared = orjson.dumps(shared)[:-1] + b","
        # A client that requests invented paths makes new ones.
        self._kinds: SizedCache[tuple[Any, ...], str] = SizedCache()
        self._second = (0, "")

    def enabled(self) -> bool:
        return self._on and self._logger.isEnabledFor(logging.INFO)

    def write(self, message: str, fields: dict[str, Any], ids: tuple[str, str] | None, *, sampled: bool) -> None:
        """Write one line. ``ids`` are the trace and span id of the work; ``fields`` include its request.id."""
        if ids is not None:
            fields["trace.id"], fields["span.id"] = ids
            fields["trace.sampled"] = sampled
        if self._is_foreign():
            self._logger.info("%s", message, extra={"event.dataset": "access", **fields})
            return
        fields["message"] = message
        fields["@timestamp"] = datetime.fromtimestamp(time.time(), UTC)
        fields["event.id"] = new_event_id()
        writer().write(self._shared + _dumps(fields, _ORJSON_OPTIONS)[1:])

    def write_request(self, request: RequestLine) -> None:
        """Write a request's line like write(), but let the writer's thread render it."""
        if self._is_foreign():
            message, fields = self._kind(request)
            fields |= {"request.id": request.request_id, "event.duration": request.duration, "url.path": request.path}
            fields["http.request.body.bytes"] = request.received
            if request.sent is not None:
                fields["http.response.body.bytes"] = request.sent
            self.write(message, fields, request.ids, sampled=request.sampled)
            return
        writer().write_later(partial(self._render, request), _REQUEST_LINE_BYTES + len(request.path))

    def _render(self, request: RequestLine) -> bytes:
        method, route, path, status, error, start, duration, received, sent, request_id, ids, sampled = request
        key = (method, path if route is None else route, status, error, route is None)
        head = self._kinds.get(key)
        if head is None:
            message, fields = self._kind(request)
            head = (self._shared + _dumps({**fields, "message": message})[1:-1]).decode()
            self._kinds.keep(key, head, size_of(head))
        second, fraction = divmod(start + duration, 1_000_000_000)
        known, shown = self._second
        if second != known:
            shown = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, shown)
        # Numbers, hex digits and a validated request id need no escaping; the path does.
        line = (
            f'{head},"@timestamp":"{shown}.{fraction // 1000:06d}Z","event.id":"{new_event_id()}"'
            f',"request.id":"{request_id}","event.duration":{duration},"http.request.body.bytes":{received}'
            f',"url.path":{_quoted(path)}'
        )
        if sent is not None:
            line += f',"http.response.body.bytes":{sent}'
        if ids is not None:
            line += f',"trace.id":"{ids[0]}","span.id":"{ids[1]}","trace.sampled":{"true" if sampled else "false"}'
        return f"{line}}}\n".encode()

    def _is_foreign(self) -> bool:
        return not _configured or bool(self._logger.handlers)

    @staticmethod
    def _kind(request: RequestLine) -> tuple[str, dict[str, Any]]:
        """The message and fields that all requests of a kind share."""
        fields: dict[str, Any] = {
            "event.outcome": "failure" if request.status >= 500 else "success",
            "http.request.method": request.method,
            "http.response.status_code": request.status,
        }
        if request.route is not None:
            fields["http.route"] = request.route
        if request.error is not None:
            fields["error.type"] = request.error
        return f"{request.method} {request.path if request.route is None else request.route} {request.status}", fields


_configured = False

_BASE_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"telemetry": {"class": "django_telemetry.logs.StdoutHandler"}},
    "filters": {"not_said_yet": {"()": lambda: not_said_yet}},
    "root": {"handlers": ["telemetry"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # 4xx are in the access line already; 5xx are logged here with their stack trace.
        "django.request": {"level": "ERROR", "propagate": True},
        # The message repeats the Host header that the client sent; the access line has the 400.
        "django.security.DisallowedHost": {"level": "CRITICAL", "propagate": True},
        # runserver's own access log: it repeats the query, without ids, and each 500 as an error of its own.
        "django.server": {"handlers": [], "level": "CRITICAL", "propagate": True},
        # Logs each lost connection several times, with stack traces; the consumer logs it once.
        "pika": {"level": "CRITICAL"},
        "grpc._server": {"filters": ["not_said_yet"]},
        "urllib3": {"level": "WARNING"},
        # Logs at every request that a long value was truncated.
        "opentelemetry.attributes": {"level": "ERROR"},
    },
}


def configure(user_config: Mapping[str, Any] | None = None) -> None:
    """Configure logging; the value of the Django setting LOGGING_CONFIG.

    ``user_config`` is Django's LOGGING. Its entries (loggers, handlers, filters, formatters, root) override the default
    ones individually, so a project can change a level without repeating the rest. With the logs signal off, only
    LOGGING applies.
    """
    global _configured
    config = get_config()
    user = dict(user_config or {})
    if not config.on("logs"):
        if user:
            logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **user})
        return
    merged = copy.deepcopy(_BASE_CONFIG)
    merged["root"]["level"] = config.log_level
    for section, value in user.items():
        if section in ("loggers", "handlers", "filters", "formatters"):
            merged.setdefault(section, {}).update(value)
        else:
            merged[section] = value
    logging.config.dictConfig(merged)
    logging.captureWarnings(True)
    _configured = True


def is_configured() -> bool:
    """Whether configure() has installed the library's handler in this process."""
    return _configured


def standalone_formatter() -> EcsFormatter:
    """A formatter for a process without Django (gunicorn's master)."""
    return EcsFormatter(load(os.environ))
