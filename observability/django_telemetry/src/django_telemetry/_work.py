"""The unit of work in hand: what a request, RPC, message or command shares with everything that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation import _SPAN_KEY

from ._deadline import Deadline
from ._taint import select

_WORK_KEY = otel_context.create_key("django-telemetry-work")

# An unsampled unit of work remembers this many of its calls, for the case that it ends up worth keeping.
MAX_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Remembered:
    """A finished call of a unit of work that isn't sampled: enough to make its span should the work be kept."""

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
    """Ids, deadline and fate of one unit of work. Mutable, owned by the thread or task that does the work."""

    # In the class, where they cost nothing until they are needed.
    _keep = False
    # None when there is nothing to remember: the work is sampled anyway, or the tail rule is off.
    remembered: list[Remembered] | None = None
    # What an error report says about the work: the route or method, set by whoever started it.
    summary: dict[str, Any] | None = None
    # Gives the values that the other side sent; asked only when something has failed.
    received: Callable[[], Iterator[str]] | None = None
    _foreign: tuple[str, ...] | None = None

    def __init__(self, request_id: str, span: Span, deadline: Deadline | float | None, *, remember: bool) -> None:
        self.request_id = request_id
        self.span = span
        # A number is the moment on the monotonic clock: most work never asks for its deadline.
        self._deadline = deadline
        if remember:
            self.remembered = []

    @property
    def deadline(self) -> Deadline | None:
        """Until when the work is to be done."""
        if isinstance(self._deadline, float):
            self._deadline = Deadline(self._deadline)
        return self._deadline

    @property
    def kept(self) -> bool:
        """Whether the tail rule keeps this work's trace although the sampler had dropped it."""
        return self._keep

    def keep(self) -> None:
        """Keep the trace: this work's spans are exported at its end, and callees are told from now on."""
        if self.remembered is not None:
            self._keep = True

    def foreign_values(self) -> tuple[str, ...]:
        """The values that the other side sent, the longest first."""
        if self._foreign is None:
            self._foreign = select(self.received()) if self.received is not None else ()
        return self._foreign

    def remember(self, call: Remembered) -> None:
        if self.remembered is not None and len(self.remembered) < MAX_REMEMBERED:
            self.remembered.append(call)

    def adopt(self, part: Work, own: Remembered) -> None:
        """Remember ``own``, the span of a part of this work, and the calls of that part; keep them if it is kept."""
        self.remember(own)
        for call in part.remembered or ():
            self.remember(call)
        if part.kept:
            self.keep()


def current_work() -> Work | None:
    """The unit of work that this thread or task is busy with, if any."""
    work: Any = otel_context.get_current().get(_WORK_KEY)
    return work


def context_for(work: Work, span: Span | None = None) -> Context:
    """The OpenTelemetry context inside ``work``, with ``span`` (or the work's own) as the current span."""
    return Context({**otel_context.get_current(), _WORK_KEY: work, _SPAN_KEY: span or work.span})


def context_with_span(span: Span) -> Context:
    """The current context with ``span`` as the current span."""
    return Context({**otel_context.get_current(), _SPAN_KEY: span})
