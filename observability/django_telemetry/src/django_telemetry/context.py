"""Correlation for code that isn't a request: ids, carriers to store, and units of work."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter_ns, time_ns
from typing import Any, Literal, ParamSpec, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from ._ids import accept_request_id, exemplar_of, format_traceparent, hex_ids, new_request_id, parse_traceparent
from ._work import Remembered, Work, context_for, current_work
from .deadlines import Deadline
from .errors import capture_exception, isolated_scope
from .metrics import Family, work_duration_seconds
from .redaction import redact_failure
from .tracing import exception_event, get_tracing

P = ParamSpec("P")
R = TypeVar("R")
Kind = Literal["internal", "server", "client", "producer", "consumer"]

_durations = Family(work_duration_seconds)


def request_id() -> str | None:
    """The id of the request, RPC, message or other unit of work in hand; None outside of any."""
    work = current_work()
    return work.request_id if work is not None else None


def trace_ids() -> tuple[str, str] | None:
    """(trace id, span id) of the current span as 32 and 16 hex digits, sampled or not; None outside of any span."""
    return hex_ids(trace.get_current_span().get_span_context())


def carrier() -> dict[str, str]:
    """What to store with work that goes on later (an outbox row, a job): ``traceparent`` and ``x-request-id``.

    Hand it back as ``parent=`` of unit_of_work(), or ``trace_context=`` of Publisher.publish().
    """
    stored: dict[str, str] = {}
    context = trace.get_current_span().get_span_context()
    work = current_work()
    if context.is_valid:
        stored["traceparent"] = format_traceparent(context, keep=work is not None and work.kept)
    if work is not None:
        stored["x-request-id"] = work.request_id
    return stored


def span_context_of(stored: Mapping[str, str] | None) -> SpanContext | None:
    """The span context inside a stored carrier or message headers, or None."""
    if not stored:
        return None
    return parse_traceparent(stored.get("traceparent"), stored.get("tracestate"))


@contextmanager
def unit_of_work(
    name: str,
    *,
    kind: Kind = "internal",
    parent: Mapping[str, str] | None = None,
    link: Mapping[str, str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    deadline: Deadline | None = None,
    timed: bool = True,
) -> Iterator[Work]:
    """Do something outside of a request as one unit of work: a span, ids in every log line, errors reported.

    ``name`` is a template. ``parent`` is a stored carrier to continue; ``link`` is one to point at without continuing
    it (a batch that handles many). Without ``parent`` it is a child of the current span, or a new trace.
    An exception is recorded, reported once and raised again. ``timed`` adds unit_of_work_duration_seconds.
    """
    tracing = get_tracing()
    outer = current_work()
    remote = span_context_of(parent)
    current = trace.get_current_span().get_span_context()
    parent_context = remote or (current if current.is_valid else None)
    if parent and parent.get("x-request-id"):
        identifier = accept_request_id(parent["x-request-id"])
    else:
        identifier = outer.request_id if outer is not None else new_request_id()
    linked = span_context_of(link)
    links = (Link(linked),) if linked is not None else ()
    start_ns, start = time_ns(), perf_counter_ns()
    span_kind = SpanKind[kind.upper()]
    span = tracing.start(name, span_kind, parent_context, start_ns, links)
    recording = span.is_recording()
    work = Work(
        identifier,
        span,
        deadline or (outer.deadline if outer is not None else None),
        remember=tracing.remembers and not recording,
    )
    work.summary = {"transaction": name}
    fields = dict(attributes or {})
    error: BaseException | None = None
    token = otel_context.attach(context_for(work))
    try:
        with isolated_scope():
            try:
                yield work
            except Exception as exc:
                error = exc
                capture_exception(exc)
                raise
            except BaseException as exc:
                error = exc
                raise
    finally:
        otel_context.detach(token)
        elapsed = perf_counter_ns() - start
        failed = error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit))
        if timed:
            exemplar = exemplar_of(span.get_span_context()) if recording else None
            _durations[(name, "error" if failed else "ok")].observe(elapsed / 1e9, exemplar)
        status, text = StatusCode.UNSET, None
        if failed and error is not None:
            status, text = StatusCode.ERROR, redact_failure(f"{type(error).__name__}: {error}", 256)
            fields["error.type"] = type(error).__qualname__
        if recording:
            span.set_attributes(fields)
            if failed and error is not None:
                exception_event(span, error)
                span.set_status(StatusCode.ERROR, text)
            span.end(start_ns + elapsed)
        elif work.remembered is not None:
            if failed:
                work.keep()
            own = Remembered(
                span.get_span_context(),
                parent_context or trace.INVALID_SPAN_CONTEXT,
                name,
                span_kind,
                start_ns,
                start_ns + elapsed,
                fields,
                status,
                text,
                links,
            )
            if outer is not None and outer.remembered is not None:
                # Part of a larger unsampled unit: its fate decides.
                outer.remember(own)
                for call in work.remembered:
                    outer.remember(call)
                if work.kept:
                    outer.keep()
            elif work.kept:
                tracing.export_kept(work, own)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` bound to the current context: wherever it runs, its spans, logs and ids belong to this work.

    Threads and tasks of a ThreadPoolExecutor that the work starts belong to it anyway; this is for daemon threads and
    for queues of one's own: ``threading.Thread(target=carry(job), daemon=True)``, ``queue.put(carry(job))``. Each call
    runs in a copy of the context, so one bound function may run in several threads at once.
    """
    captured = contextvars.copy_context()

    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        return captured.copy().run(function, *args, **kwargs)

    return bound
