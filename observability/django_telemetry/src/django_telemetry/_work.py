"""The current unit of work: what a request, RPC, message or command shares with everything that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation import _SPAN_KEY

from ._client_values import MARGIN, ClientValues
from ._deadline import Deadline

_WORK_KEY = otel_context.create_key("django-telemetry-work")

# An unsampled unit of work remembers this many of its calls, in case the tail rule keeps it.
MAX_REMEMBERED = 64
_MAX_RESULTS = 8


@dataclass(frozen=True, slots=True)
class Remembered:
    """A finished call of an unsampled unit of work: the data to create its span if the work is kept."""

    context: SpanContext
    parent: SpanContext
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    status: StatusCode
    status_text: str | None
    links: tuple[Link, ...] = ()


class Work:
    """Ids, deadline and tail decision of one unit of work. Mutable, owned by the thread or task that does the work."""

    # Class attributes, so that an instance pays only for those it sets.
    _keep = False
    # None when calls need not be remembered: the work is sampled, or the tail rule is off.
    remembered: list[Remembered] | None = None
    # The error report's description of the work: the route or method, set by the code that started the work.
    summary: dict[str, Any] | None = None
    # Returns what changes when there are more client-supplied values, and the values. Called only after a failure.
    received: Callable[[], tuple[object, Iterator[str]]] | None = None
    _client_values: tuple[object, ClientValues, dict[tuple[str, int], str]] | None = None

    def __init__(self, request_id: str, span: Span, deadline: Deadline | float | None, *, remember: bool) -> None:
        self.request_id = request_id
        self.span = span
        # A number is a time on the monotonic clock; a Deadline is created on demand, since most work never reads it.
        self._deadline = deadline
        if remember:
            self.remembered = []

    @property
    def deadline(self) -> Deadline | None:
        if isinstance(self._deadline, float):
            self._deadline = Deadline(self._deadline)
        return self._deadline

    @property
    def kept(self) -> bool:
        """Whether the tail rule keeps this work's trace although the sampler dropped it."""
        return self._keep

    def keep(self) -> None:
        """Keep the trace: this work's spans are exported when it ends, and later calls propagate the sampled flag."""
        if self.remembered is not None:
            self._keep = True

    def without_client_values(self, text: str, limit: int, instead: str) -> str:
        """``text`` with ``instead`` for each client-supplied value; of a long one, about ``limit`` characters."""
        if self.received is None:
            return text
        state, received = self.received()
        known = self._client_values
        if known is None or known[0] != state:
            known = self._client_values = (state, ClientValues(received), {})
        _, values, results = known
        # The span, the line and the error report of one failure contain the same texts.
        key = (text[: limit + MARGIN + 1], limit)
        result = results.get(key)
        if result is None:
            result = values.removed(text, limit, instead)
            if len(results) >= _MAX_RESULTS:
                results.clear()
            results[key] = result
        return result

    def remember(self, call: Remembered) -> None:
        if self.remembered is not None and len(self.remembered) < MAX_REMEMBERED:
            self.remembered.append(call)

    def adopt(self, part: Work, own: Remembered) -> None:
        """Remember the calls of ``part``, a part of this work, and its span ``own``. Kept if ``part`` is kept."""
        self.remember(own)
        for call in part.remembered or ():
            self.remember(call)
        if part.kept:
            self.keep()


def current_work() -> Work | None:
    """The unit of work of this thread or task; None outside of any."""
    work: Any = otel_context.get_current().get(_WORK_KEY)
    return work


def context_for(work: Work, span: Span | None = None) -> Context:
    """The OpenTelemetry context inside ``work``, with ``span`` (or the work's own) as the current span."""
    return Context({**otel_context.get_current(), _WORK_KEY: work, _SPAN_KEY: span or work.span})


def context_with_span(span: Span) -> Context:
    """The current context with ``span`` as the current span."""
    return Context({**otel_context.get_current(), _SPAN_KEY: span})
