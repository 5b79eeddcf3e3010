"""Correlation for code that isn't a request: ids, carriers to store, and units of work."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, ParamSpec, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind

from ._guard import internal_error
from ._ids import accept_request_id, exemplar_of, format_traceparent, hex_ids, new_request_id, parse_traceparent
from ._plain import exception_text, name_of
from ._unit import Unit
from ._work import Work, context_for, current_work
from .deadlines import Deadline
from .errors import capture_exception, isolated_scope
from .metrics import Family, work_duration_seconds
from .redaction import MAX_MESSAGE, redact_failure
from .tracing import get_tracing

P = ParamSpec("P")
R = TypeVar("R")
Kind = Literal["internal", "server", "client", "producer", "consumer"]

_durations = Family(work_duration_seconds)
# These end a process or a generator; they are not failures.
_STOPS = (SystemExit, KeyboardInterrupt, GeneratorExit)


def request_id() -> str | None:
    """The id of the current request, RPC, message or other unit of work; None outside of any."""
    work = current_work()
    return work.request_id if work is not None else None


def trace_ids() -> tuple[str, str] | None:
    """(trace id, span id) of the current span as 32 and 16 hex digits, sampled or not; None outside of any span."""
    return hex_ids(trace.get_current_span().get_span_context())


def carrier() -> dict[str, str]:
    """The context to store with deferred work (an outbox row, a job): ``traceparent`` and ``x-request-id``.

    Pass it later as ``parent=`` to unit_of_work(), or as ``trace_context=`` to Publisher.publish().
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
    """The span context in a stored carrier or in message headers; None when there is none."""
    if not stored:
        return None
    try:
        return parse_traceparent(stored.get("traceparent"), stored.get("tracestate"))
    except Exception:  # what was stored is no carrier
        internal_error("traces", "a stored carrier")
        return None


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
    """Run the block as one unit of work outside of a request: a span, ids in every log line, errors reported.

    ``name`` is a template, never a value. ``parent`` is a stored carrier to continue; ``link`` is one to link to
    without continuing it (a batch that handles many). Without ``parent`` the span is a child of the current one, or a
    new root. An exception is recorded, reported once and raised again. ``timed`` adds a sample to
    unit_of_work_duration_seconds.
    """
    outer = current_work()
    current = trace.get_current_span().get_span_context()
    linked = span_context_of(link)
    unit = Unit(
        get_tracing(),
        name,
        SpanKind[kind.upper()],
        span_context_of(parent) or (current if current.is_valid else None),
        (Link(linked),) if linked is not None else (),
        request_id=_request_id(parent, outer),
        deadline=deadline or (outer.deadline if outer is not None else None),
    )
    error: BaseException | None = None
    token = otel_context.attach(context_for(unit.work))
    try:
        with isolated_scope():
            try:
                yield unit.work
            except BaseException as exc:
                error = exc
                if isinstance(exc, Exception):
                    capture_exception(exc)
                raise
    finally:
        otel_context.detach(token)
        elapsed = unit.elapsed()
        failure = None if isinstance(error, _STOPS) else error
        if timed:
            try:
                exemplar = exemplar_of(unit.context) if unit.recording else None
                _durations[(name, "error" if failure is not None else "ok")].observe(elapsed / 1e9, exemplar)
            except Exception:
                internal_error("metrics", "the samples of a unit of work")
        _end(unit, elapsed, dict(attributes or {}), failure, outer)


def _request_id(parent: Mapping[str, str] | None, outer: Work | None) -> str:
    given = parent.get("x-request-id") if parent else None
    if isinstance(given, str):
        return accept_request_id(given)
    return outer.request_id if outer is not None else new_request_id()


def _end(
    unit: Unit, elapsed: int, attributes: dict[str, Any], failure: BaseException | None, outer: Work | None
) -> None:
    text = None
    if failure is not None:
        unit.work.keep()
        attributes["error.type"] = type(failure).__qualname__
        text = redact_failure(f"{name_of(type(failure))}: {exception_text(failure, 2 * MAX_MESSAGE)}", 256)
    # Pass only an unsampled outer unit: otherwise the sampler has already decided for both.
    within = outer if outer is not None and outer.remembered is not None else None
    unit.end(elapsed, attributes, failed=failure is not None, error=failure, text=text, outer=within)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Bind ``function`` to the current context: its spans, logs and ids belong to this work wherever it runs.

    Threads and ThreadPoolExecutor tasks that the work starts are bound automatically. Use this for daemon threads and
    custom queues: ``threading.Thread(target=carry(job), daemon=True)``, ``queue.put(carry(job))``. Each call runs in a
    copy of the context, so one bound function may run in several threads at once.
    """
    captured = contextvars.copy_context()

    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        return captured.copy().run(function, *args, **kwargs)

    return bound
