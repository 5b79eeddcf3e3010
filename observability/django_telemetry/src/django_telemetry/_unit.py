"""The span of a unit of work that isn't an HTTP request: an RPC, a message, or a block of unit_of_work()."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter_ns, time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from ._guard import internal_error
from ._work import Remembered, Work
from .deadlines import Deadline
from .tracing import Tracing, exception_event


class Unit:
    """A unit of work and its span. Times are in nanoseconds."""

    __slots__ = (
        "_kind",
        "_links",
        "_name",
        "_parent",
        "_start",
        "_start_ns",
        "_tracing",
        "context",
        "recording",
        "work",
    )

    def __init__(
        self,
        tracing: Tracing,
        name: str,
        kind: SpanKind,
        parent: SpanContext | None,
        links: tuple[Link, ...] = (),
        *,
        request_id: str,
        deadline: Deadline | None,
    ) -> None:
        self._tracing = tracing
        self._name = name
        self._kind = kind
        self._parent = parent
        self._links = links
        self._start_ns, self._start = time_ns(), perf_counter_ns()
        try:
            span = tracing.start(name, kind, parent, self._start_ns, links)
        except Exception:
            internal_error("traces", "the start of a unit of work")
            span = trace.INVALID_SPAN
        self.context = span.get_span_context()
        self.recording = span.is_recording()
        self.work = Work(request_id, span, deadline, remember=tracing.remembers and not self.recording)
        self.work.summary = {"transaction": name}

    @property
    def sampled(self) -> bool:
        """Whether its span is exported: the sampler chose it, or the tail rule keeps it."""
        return self.recording or self.work.kept

    def elapsed(self) -> int:
        """Nanoseconds since the start."""
        return perf_counter_ns() - self._start

    def end(
        self,
        elapsed: int,
        attributes: dict[str, Any],
        *,
        failed: bool,
        error: BaseException | None = None,
        text: str | None = None,
        outer: Work | None = None,
    ) -> None:
        """End the span. ``error`` is recorded as an exception event; ``text`` describes the status of a failed span.

        ``outer`` is the unsampled unit of work that contains this one, if any. Its outcome decides whether this one's
        spans are exported. Never raises; a span that can't be completed ends without its details.
        """
        try:
            self._end(elapsed, attributes, failed=failed, error=error, text=text, outer=outer)
        except Exception:
            internal_error("traces", "the end of a unit of work")
            with suppress(Exception):
                self.work.span.end(self._start_ns + elapsed)

    def _end(
        self,
        elapsed: int,
        attributes: dict[str, Any],
        *,
        failed: bool,
        error: BaseException | None,
        text: str | None,
        outer: Work | None,
    ) -> None:
        if self.recording:
            span = self.work.span
            span.set_attributes(attributes)
            if error is not None:
                exception_event(span, error)
            if failed:
                span.set_status(StatusCode.ERROR, text)
            span.end(self._start_ns + elapsed)
        elif outer is not None or self.work.kept:
            own = Remembered(
                self.context,
                self._parent or trace.INVALID_SPAN_CONTEXT,
                self._name,
                self._kind,
                self._start_ns,
                self._start_ns + elapsed,
                attributes,
                StatusCode.ERROR if failed else StatusCode.UNSET,
                text,
                self._links,
            )
            if outer is not None:
                outer.adopt(self.work, own)
            else:
                self._tracing.export_kept(self.work, own)
