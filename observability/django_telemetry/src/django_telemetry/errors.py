"""Errors: sentry-sdk with a minimum of integrations, trace and request ids on each event, a bounded transport."""

from __future__ import annotations

import logging
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Token
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk
from opentelemetry import trace
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.scope import Scope, ScopeType, _isolation_scope, register_external_propagation_context

from . import _database_errors
from ._guard import guarded, internal_error
from ._ids import hex_ids
from ._plain import exception_text, name_of, text_of
from ._records import LONGEST_MESSAGE, message_of
from ._sentry_transport import BoundedTransport
from ._work import current_work
from .conf import TelemetryConfig
from .redaction import MAX_MESSAGE, REDACTED, redact_failure, redact_value

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint

logger = logging.getLogger(__name__)

_enabled = False
_CAPTURED = "__telemetry_captured__"


class _LazyScope(Scope):
    """An isolation scope that costs nothing until it is used.

    Every request needs its own, else a tag set in one request appears on another's event; few requests use it. The
    slots stay unset, so the first access calls __getattr__, which then copies the process's scope.
    """

    __slots__ = ("_base",)

    def __init__(self, base: Scope) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        # Python calls this only while the slots are unset.
        if name.startswith("__") or name not in _SLOTS:
            raise AttributeError(name)
        source = Scope.__copy__(self._base)
        for slot in _SLOTS:
            try:
                value = getattr(source, slot)
            except AttributeError:
                continue
            object.__setattr__(self, slot, value)
        return object.__getattribute__(self, name)

    def __copy__(self) -> Scope:
        _ = self._type  # triggers the copy
        copied = Scope.__new__(Scope)
        for slot in _SLOTS:
            try:
                object.__setattr__(copied, slot, getattr(self, slot))
            except AttributeError:
                continue
        return Scope.__copy__(copied)


_SLOTS = frozenset(Scope.__slots__)


def configure(config: TelemetryConfig) -> BoundedTransport | None:
    """Start error reporting. Returns None when neither a DSN nor a Spotlight URL is set."""
    global _enabled
    if not (config.sentry_dsn or config.sentry_spotlight):
        return None
    transport = BoundedTransport(config.sentry_dsn, config.sentry_spotlight)
    sentry_sdk.init(
        dsn=config.sentry_dsn,  # not None, which makes the SDK read the variable itself and raise if it is wrong
        transport=transport,
        # The stock Spotlight client posts inside the request without a timeout and enables personal data.
        spotlight=False,
        environment=config.sentry_environment,
        release=config.sentry_release or None,
        server_name=config.instance_id,
        sample_rate=config.sentry_sample_rate,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[DedupeIntegration(), ExcepthookIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=20,
        auto_session_tracking=False,
        traces_sample_rate=None,
        trace_propagation_targets=[],
        shutdown_timeout=config.shutdown_timeout,
        before_send=_before_send,
    )
    # Sentry has a project for each service instead; a receiver of many services groups and shows them by it.
    sentry_sdk.get_global_scope().set_tag("service.name", config.service_name)
    register_external_propagation_context(_propagation_context)
    previous = threading.excepthook

    def thread_hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            capture_exception(args.exc_value)
        previous(args)

    threading.excepthook = thread_hook
    _enabled = True
    return transport


def disable() -> None:
    """Stop reporting. The client is closed at its own shutdown."""
    global _enabled
    _enabled = False


def capture_exception(exc: BaseException) -> None:
    """Report ``exc`` once, however many layers it passes. Does nothing when error reporting is off."""
    if not _enabled:
        return
    try:
        if getattr(exc, _CAPTURED, False):
            return
        with suppress(AttributeError):  # an exception class with slots may be reported twice
            setattr(exc, _CAPTURED, True)
        _database_errors.note_all(exc)
        sentry_sdk.capture_exception(exc)
    except Exception:  # the class may define any attribute as it likes
        internal_error("errors", "the report of an exception")
        _capture_reduced(exc)


@guarded("errors")
def _capture_reduced(exc: BaseException) -> None:
    """Report only the type and the text of ``exc``."""
    value = {"type": name_of(type(exc)), "value": redact_failure(exception_text(exc, 2 * MAX_MESSAGE))}
    sentry_sdk.capture_event({"level": "error", "exception": {"values": [value]}})


@guarded("errors")
def capture_log(record: logging.LogRecord) -> None:
    """Report a log record of level ERROR or above: its exception if it has one, else its message."""
    if not _enabled or record.name.startswith(("sentry_sdk", "django_telemetry")):
        return
    exc = record.exc_info[1] if record.exc_info else None
    if exc is not None:
        capture_exception(exc)
        return
    sentry_sdk.capture_event(
        {
            "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
            "logger": record.name,
            "logentry": {
                "message": redact_failure(text_of(record.msg, LONGEST_MESSAGE)),
                "formatted": redact_failure(message_of(record)),
            },
        }
    )


def enter_scope() -> Token[Scope | None] | None:
    """Start an isolation scope for a unit of work; pass the token to leave_scope(). Doesn't raise."""
    if not _enabled:
        return None
    try:
        base = _isolation_scope.get()
        # Without a scope (usually in a new thread) the SDK creates one on first access.
        return _isolation_scope.set(_LazyScope(base) if base is not None else None)
    except Exception:
        internal_error("errors", "the start of a unit of work")
        return None


def leave_scope(token: Token[Scope | None] | None) -> None:
    """End the scope of a unit of work. Doesn't raise."""
    if token is not None:
        try:
            _isolation_scope.reset(token)
        except Exception:  # for example a token of another task's context
            internal_error("errors", "the end of a unit of work")


@contextmanager
def isolated_scope() -> Iterator[None]:
    """Run the block in its own isolation scope: tags and breadcrumbs don't leak into other work."""
    token = enter_scope()
    try:
        yield
    finally:
        leave_scope(token)


def _propagation_context() -> tuple[str, str] | None:
    return hex_ids(trace.get_current_span().get_span_context())


def _before_send(event: Event, hint: Hint) -> Event | None:
    """The event as it leaves the process; only its type and level when it can't be completed."""
    try:
        return _completed(event)
    except Exception:  # sentry-sdk would drop the event without a trace
        internal_error("errors", "the contents of an error report")
        kept = ("event_id", "timestamp", "level", "platform", "environment", "release", "server_name")
        reduced: Any = {key: event[key] for key in kept if key in event}  # type: ignore[literal-required]
        exc_info = hint.get("exc_info")
        kind = name_of(exc_info[0]) if exc_info else "Error"
        return cast("Event", {**reduced, "exception": {"values": [{"type": kind, "value": REDACTED}]}})


def _completed(event: Event) -> Event:
    """Add what the disabled integrations would have added, and remove what must not leave the process."""
    work = current_work()
    if work is not None:
        event.setdefault("tags", {})["request_id"] = work.request_id
        summary = work.summary or {}
        if "transaction" in summary:
            event["transaction"] = summary["transaction"]
        if "request" in summary:
            event["request"] = summary["request"]
    contexts = event.setdefault("contexts", {})
    contexts["runtime"] = {"name": platform.python_implementation(), "version": platform.python_version()}
    event["modules"] = _modules()
    for item in (event.get("exception") or {}).get("values", ()):
        if item.get("value"):
            item["value"] = redact_failure(text_of(item["value"], 2 * MAX_MESSAGE))
        for frame in (item.get("stacktrace") or {}).get("frames", ()):
            frame.pop("vars", None)
    if event.get("message"):
        event["message"] = redact_failure(text_of(event["message"], 2 * MAX_MESSAGE))
    for key in ("extra", "tags", "user", "breadcrumbs", "logentry", "contexts", "fingerprint"):
        if event.get(key):
            event[key] = redact_value(event[key])
    return event


_module_versions: dict[str, str] | None = None


def _modules() -> dict[str, str]:
    global _module_versions
    if _module_versions is None:
        from importlib.metadata import distributions

        loaded = {name.partition(".")[0] for name in list(sys.modules)}
        _module_versions = {
            name: dist.version
            for dist in distributions()
            if (name := dist.metadata["Name"]) and name.lower().replace("-", "_") in loaded
        }
    return _module_versions


__all__ = [
    "ScopeType",
    "capture_exception",
    "capture_log",
    "configure",
    "disable",
    "enter_scope",
    "isolated_scope",
    "leave_scope",
]
