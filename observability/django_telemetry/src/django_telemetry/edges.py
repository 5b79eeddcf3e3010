"""Outgoing calls: one object creates the client span, the edge sample and the outcome, for every protocol."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from ._guard import internal_error
from ._ids import REQUEST_ID_HEADER, format_traceparent, hex_ids
from ._plain import exception_text, name_of
from ._work import Remembered, Work, context_with_span, current_work
from .deadlines import current_deadline
from .metrics import (
    Family,
    dependency_call_duration_seconds,
    dependency_deadline_remaining_seconds,
    dependency_retries_total,
    observe,
)
from .redaction import MAX_MESSAGE, redact_failure
from .tracing import exception_event, get_tracing

OK, ERROR, TIMEOUT, REFUSED, REJECTED = OUTCOMES = ("ok", "error", "timeout", "refused", "rejected")
# Protocols whose clients in this library retry.
RETRYING_PROTOCOLS = ("http", "grpc")

_durations = Family(dependency_call_duration_seconds)
_retries = Family(dependency_retries_total)
_deadlines = Family(dependency_deadline_remaining_seconds)


class DependencyError(Exception):
    """A call to a dependency failed. ``outcome`` is the edge metric's label: error, timeout, refused or rejected."""

    outcome = ERROR

    def __init__(self, dependency: str, operation: str, detail: str = "") -> None:
        super().__init__(f"{dependency}: {operation}: {detail or self.outcome}")
        self.dependency = dependency
        self.operation = operation


class DependencyTimeout(DependencyError):
    """No answer in time. It is unknown whether the dependency did the work."""

    outcome = TIMEOUT


class DependencyRefused(DependencyError):
    """The connection failed or broke. If it broke during the call, it is unknown whether the work was done."""

    outcome = REFUSED


class DependencyRejected(DependencyError):
    """Not sent, since the deadline had already passed. The dependency did nothing."""

    outcome = REJECTED


def outcome_of(exc: BaseException) -> str:
    """The edge outcome of an exception."""
    if isinstance(exc, DependencyError):
        return exc.outcome
    if isinstance(exc, (TimeoutError, socket.timeout)):
        return TIMEOUT
    if isinstance(exc, (ConnectionError, socket.gaierror)):
        return REFUSED
    return ERROR


def declare(dependency: str, protocol: str, *operations: str) -> None:
    """Start the edge's series at 0 for all outcomes, so that the first failure already is an increase."""
    for operation in operations:
        for outcome in OUTCOMES:
            _durations.ensure(dependency, protocol, operation, outcome)
        if protocol in RETRYING_PROTOCOLS:
            _retries.ensure(dependency, protocol, operation)


def observe_call(
    dependency: str, protocol: str, operation: str, outcome: str, seconds: float, ids: tuple[str, str] | None = None
) -> None:
    """Add a sample to the edge's histogram. ``ids``: trace and span id of a sampled span, for the exemplar."""
    observe(_durations[(dependency, protocol, operation, outcome)], seconds, ids)


def count_retry(dependency: str, protocol: str, operation: str) -> None:
    """Count a call that is retried."""
    _retries[(dependency, protocol, operation)].inc()


class Call:
    """One outgoing call in flight, a context manager. The outcome is ``ok`` unless it is set or the block raises.

    The span is a child of the current span. In an unsampled unit of work it is only remembered, and exported if the
    work is kept.
    """

    __slots__ = (
        "_attach",
        "_attributes",
        "_dependency",
        "_kind",
        "_name",
        "_operation",
        "_parent",
        "_protocol",
        "_start",
        "_start_ns",
        "_status",
        "_status_text",
        "_token",
        "_work",
        "outcome",
        "span",
    )

    def __init__(
        self,
        dependency: str,
        protocol: str,
        operation: str,
        *,
        name: str | None = None,
        kind: SpanKind = SpanKind.CLIENT,
        attributes: Mapping[str, Any] | None = None,
        attach: bool = False,
        parent: Span | None = None,
    ) -> None:
        self._dependency = dependency
        self._protocol = protocol
        self._operation = operation
        self._name = name or operation
        self._kind = kind
        self._attributes = dict(attributes) if attributes else {}
        self._attach = attach
        self._parent = parent
        self._token: Any = None
        self._status = StatusCode.UNSET
        self._status_text: str | None = None
        self._work: Work | None = None
        self.outcome = OK
        self.span: Span = trace.INVALID_SPAN

    def __enter__(self) -> Call:
        self._start_ns = time_ns()
        self._start = perf_counter_ns()
        try:
            self._begin()
        except Exception:
            internal_error("traces", "the start of a call")
        return self

    def _begin(self) -> None:
        self._work = current_work()
        if self._parent is None:
            self._parent = trace.get_current_span()
        deadline = current_deadline()
        if deadline is not None:
            _deadlines[(self._dependency, self._protocol)].observe(deadline.remaining())
        parent = self._parent.get_span_context()
        self.span = get_tracing().start(self._name, self._kind, parent, self._start_ns)
        if self._attach:
            self._token = otel_context.attach(context_with_span(self.span))

    def set(self, key: str, value: Any) -> None:
        """Set an attribute of the call's span."""
        self._attributes[key] = value

    def fail(self, outcome: str, error_type: str, detail: str | None = None) -> None:
        """Mark the call as failed although the block raises no exception."""
        self.outcome = outcome
        self._status = StatusCode.ERROR
        self._status_text = redact_failure(detail, 256) if detail else None
        self._attributes["error.type"] = error_type

    def mark_error(self, error_type: str) -> None:
        """Set the span's error status without counting a failure of the edge (for example for a 4xx answer)."""
        self._status = StatusCode.ERROR
        self._attributes["error.type"] = error_type

    def callee_kept(self, traceresponse: str | None) -> None:
        """Keep an unsampled trace when the callee's ``traceresponse`` is sampled: the callee kept its part."""
        work = self._work
        if work is not None and work.remembered is not None and traceresponse and traceresponse[-1:] in "13579bdf":
            work.keep()

    def propagation(self) -> dict[str, str]:
        """The headers that propagate this call's context: traceparent, and the request id."""
        context = self.span.get_span_context()
        work = self._work
        headers = {}
        if context.is_valid:
            headers["traceparent"] = format_traceparent(context, keep=work is not None and work.kept)
            if context.trace_state:
                headers["tracestate"] = context.trace_state.to_header()
        if work is not None:
            headers[REQUEST_ID_HEADER] = work.request_id
        return headers

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        elapsed = perf_counter_ns() - self._start
        if self._token is not None:
            otel_context.detach(self._token)
        try:
            self._end(exc, elapsed)
        except Exception:
            internal_error("traces", "the end of a call")
            with suppress(Exception):
                self.span.end(self._start_ns + elapsed)

    def _end(self, exc: BaseException | None, elapsed: int) -> None:
        if exc is not None and self._status is not StatusCode.ERROR:
            self.fail(outcome_of(exc), name_of(type(exc)), exception_text(exc, 2 * MAX_MESSAGE))
        span = self.span
        context = span.get_span_context()
        recording = span.is_recording()
        ids = hex_ids(context) if recording else None
        try:
            observe_call(self._dependency, self._protocol, self._operation, self.outcome, elapsed / 1e9, ids)
        except Exception:
            internal_error("metrics", "the sample of a call")
        if recording:
            self._attributes["peer.service"] = self._dependency
            span.set_attributes(self._attributes)
            if self._status is StatusCode.ERROR:
                span.set_status(StatusCode.ERROR, self._status_text)
                if exc is not None:
                    exception_event(span, exc)
            span.end(self._start_ns + elapsed)
        elif self._work is not None and self._work.remembered is not None and self._parent is not None:
            self._attributes["peer.service"] = self._dependency
            self._work.remember(
                Remembered(
                    context,
                    self._parent.get_span_context(),
                    self._name,
                    self._kind,
                    self._start_ns,
                    self._start_ns + elapsed,
                    self._attributes,
                    self._status,
                    self._status_text,
                )
            )


@contextmanager
def timed_call(
    dependency: str, protocol: str, operation: str, *, attributes: Mapping[str, Any] | None = None
) -> Iterator[Call]:
    """Measure a call that the library has no client for: a span and a sample in dependency_call_duration_seconds.

    ``operation`` is a template, never a value. Set ``.outcome`` or call ``.fail()`` for a failure without an exception.
    """
    with Call(dependency, protocol, operation, attributes=attributes, attach=True) as call:
        yield call
