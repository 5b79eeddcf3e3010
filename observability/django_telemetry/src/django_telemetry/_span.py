"""The SDK's spans and sampling, without the parts that few spans use.

For each span the SDK creates containers with locks for attributes, events and links, validates attributes again, copies
the span when it ends and calls its sampler through several objects. That costs more than the rest of a request's
telemetry. A LightSpan is an SDK span that creates these objects on first access. A test compares both.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider, _Span
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
)
from opentelemetry.trace.propagation import _SPAN_KEY
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

# Approximate memory of a span without its attributes, and of an attribute without its text.
SPAN_BYTES = 640
ATTRIBUTE_BYTES = 80

_SAMPLED, _RANDOM = TraceFlags.SAMPLED, TraceFlags.RANDOM_TRACE_ID
_SPAN_ID_BITS, _SPAN_ID_MASK = 64, (1 << 64) - 1
# A ratio sampler selects the trace ids whose lower bits are below a bound.
_RATIO_MASK = TraceIdRatioBased.TRACE_ID_LIMIT
_ALL, _NONE = _RATIO_MASK + 1, 0
_FLAGS = tuple(TraceFlags(bits) for bits in range(4))
_UNSET = Status(StatusCode.UNSET)


class Template:
    """Name and attributes that many spans share: validated, measured and encoded once."""

    __slots__ = ("attributes", "encoded", "longest", "name", "size")

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.attributes = attributes
        texts = [len(value) for value in attributes.values() if isinstance(value, str)]
        self.longest = max(texts, default=0)
        self.size = SPAN_BYTES + ATTRIBUTE_BYTES * len(attributes) + sum(texts)
        # The encoded name and attributes; set by the encoding thread.
        self.encoded: tuple[bytes, bytes] | None = None

    def fits(self, limits: SpanLimits, more: dict[str, str]) -> bool:
        """Whether these attributes and ``more`` stay within ``limits``, so that nothing needs truncation."""
        most, limit = limits.max_span_attributes, limits.max_span_attribute_length
        if most is None or limit is None or len(self.attributes) + len(more) > most or self.longest > limit:
            return False
        return all(len(value) <= limit for value in more.values())


class LightSpan(_Span):
    """A recording span of the SDK, several times cheaper to create and to end."""

    _tracer: LightTracer
    _instrumentation_info = None
    _trace_config = None
    _record_end_metrics = None
    _record_exception = True
    _set_status_on_exception = True
    _status = _UNSET
    _end_time: int | None = None
    _context: SpanContext
    # Whether any of the containers was created.
    _touched = False
    # Once ended, an untouched span has a template instead of its own attributes, and an estimated size.
    template: Template | None = None
    own: dict[str, str]
    size = 0

    def __new__(cls, *_: Any) -> LightSpan:
        return object.__new__(cls)  # the SDK's own only rejects calls from outside a tracer

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        links: Sequence[Link],
        start_ns: int,
    ) -> None:
        # Doesn't call the SDK's constructor, which creates the containers that __getattr__ creates on demand.
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._start_time = start_ns
        self._lock = threading.Lock()
        if links:
            self._links = self._new_links(links)
            self._touched = True

    def __getattr__(self, name: str) -> Any:
        # Python calls this only for attributes that aren't set yet.
        if name == "_attributes" and self.template is not None:
            value: Any = {**self.template.attributes, **self.own}
        elif name == "_attributes":
            limits = self._limits
            value = BoundedAttributes(
                limits.max_span_attributes, immutable=False, max_value_len=limits.max_span_attribute_length
            )
        elif name == "_events":
            value = self._new_events()
        elif name == "_links":
            value = self._new_links(())
        else:
            raise AttributeError(name)
        self._touched = True
        # Two threads may be here at once; both must get the same object.
        return self.__dict__.setdefault(name, value)

    def finish(self, template: Template, own: dict[str, str], end_ns: int, started: str | None = None) -> None:
        """update_name(), set_attributes() and end() in one call; ``own`` are attributes that only this span has.

        Other code has the last word: attributes that it set stay, and a name other than ``started``, if that is given.
        """
        with self._lock:
            if self._end_time is not None:
                return
            self._end_time = end_ns
            renamed = started is not None and self._name != started
            if not renamed:
                self._name = template.name
            if not self._touched and not renamed and template.fits(self._limits, own):
                self.own = own
                self.template = template
                self.size = template.size + (ATTRIBUTE_BYTES + 64) * len(own)
            else:
                attributes: Any = self._attributes
                attributes._set_items(_missing(attributes, template, own))
                attributes._immutable = True
        processor = self._span_processor
        if self._tracer.has_listeners():
            processor._on_ending(self)
        # The SDK passes a copy; an ended span can't change, so it passes itself.
        processor.on_end(self)


class LightTracer:
    """Starts LightSpans for a provider, with its sampler, limits, resource and processors."""

    def __init__(self, provider: TracerProvider, sdk: SdkTracer, decide: Decide) -> None:
        self._decide = decide
        self._processor = provider._active_span_processor
        self._known: tuple[SpanProcessor, ...] | None = None
        self._listeners = True
        # A subclass per tracer holds the attributes that all its spans share.
        shared = {
            "_tracer": self,
            "_sampler": provider.sampler,
            "_resource": provider.resource,
            "_instrumentation_scope": sdk._instrumentation_scope,
            "_span_processor": self._processor,
            "_limits": provider._span_limits,
        }
        self._new_span: type[LightSpan] = type("LightSpan", (LightSpan,), shared)

    def start(
        self, name: str, kind: SpanKind, parent: SpanContext | None, start_ns: int, links: Sequence[Link] = ()
    ) -> Span:
        """A started span, or a non-recording one with ids only when the sampler drops it."""
        if parent is None or not parent.is_valid:
            parent, state, bits = None, DEFAULT_TRACE_STATE, _RANDOM
            drawn = random.getrandbits(128 + _SPAN_ID_BITS)
            trace_id, span_id = drawn >> _SPAN_ID_BITS or 1, drawn & _SPAN_ID_MASK or 1
        else:
            trace_id, _, _, flags, state, _ = parent
            bits = flags & _RANDOM
            span_id = random.getrandbits(_SPAN_ID_BITS) or 1
        if not self._decide(trace_id, parent):
            return NonRecordingSpan(_span_context(trace_id, span_id, _FLAGS[bits], state))
        context = _span_context(trace_id, span_id, _FLAGS[bits | _SAMPLED], state)
        span = self._new_span(name, context, parent, kind, links, start_ns)
        if self.has_listeners():
            inside = Context({_SPAN_KEY: NonRecordingSpan(parent)}) if parent is not None else None
            self._processor.on_start(span, parent_context=inside)
        return span

    def has_listeners(self) -> bool:
        """Whether any processor needs to be called before a span has ended."""
        processor = self._processor
        if type(processor) is not SynchronousMultiSpanProcessor:
            return True
        if processor._span_processors is not self._known:  # another one was added
            self._known = processor._span_processors
            kinds: list[type[SpanProcessor]] = [type(each) for each in self._known]
            self._listeners = any(
                kind.on_start is not SpanProcessor.on_start or kind._on_ending is not SpanProcessor._on_ending
                for kind in kinds
            )
        return self._listeners


def unsampled_span(parent: SpanContext | None) -> Span:
    """A span with ids that is never exported, and whose parts aren't either."""
    trace_id = parent.trace_id if parent is not None else random.getrandbits(128) or 1
    return NonRecordingSpan(
        _span_context(trace_id, random.getrandbits(_SPAN_ID_BITS) or 1, _FLAGS[_RANDOM], DEFAULT_TRACE_STATE)
    )


def _span_context(trace_id: int, span_id: int, flags: TraceFlags, state: TraceState) -> SpanContext:
    """SpanContext() without its validation: these ids are known to be valid."""
    return tuple.__new__(SpanContext, (trace_id, span_id, False, flags, state, True))


Decide = Callable[[int, "SpanContext | None"], bool]


def _bound(sampler: Sampler) -> int | None:
    """The bound below which the lower bits of a trace id are sampled; None for another kind of sampler."""
    if sampler is ALWAYS_ON:
        return _ALL
    if sampler is ALWAYS_OFF:
        return _NONE
    return sampler.bound if type(sampler) is TraceIdRatioBased else None


def decision(sampler: Sampler) -> Decide | None:
    """``sampler``'s decision as one function; None unless it is one of the SDK's built-in samplers."""
    if type(sampler) is not ParentBased:
        ratio = _bound(sampler)
        return None if ratio is None else lambda trace_id, _parent: trace_id & _RATIO_MASK < ratio
    bound = _bound(sampler._root)
    delegates = (
        sampler._remote_parent_sampled is ALWAYS_ON,
        sampler._remote_parent_not_sampled is ALWAYS_OFF,
        sampler._local_parent_sampled is ALWAYS_ON,
        sampler._local_parent_not_sampled is ALWAYS_OFF,
    )
    if bound is None or not all(delegates):
        return None
    return lambda trace_id, parent: (
        trace_id & _RATIO_MASK < bound if parent is None else bool(parent.trace_flags & _SAMPLED)
    )


def light_tracer(provider: TracerProvider, sdk: Tracer) -> LightTracer | None:
    """A LightTracer for ``provider``; None when it has a custom sampler, id generator or metrics (use the SDK then)."""
    decide = decision(provider.sampler)
    if decide is None or not isinstance(sdk, SdkTracer) or type(provider.id_generator) is not RandomIdGenerator:
        return None
    return LightTracer(provider, sdk, decide) if isinstance(sdk._tracer_metrics, NoOpTracerMetrics) else None


def finish(span: Span, template: Template, own: dict[str, str], end_ns: int, started: str | None = None) -> None:
    """Name ``span`` after ``template``, give it the template's attributes and its ``own``, and end it.

    Other code has the last word: attributes that it set stay, and a name other than ``started``, if that is given.
    """
    if isinstance(span, LightSpan):
        span.finish(template, own, end_ns, started)
        return
    if started is None or getattr(span, "name", started) == started:
        span.update_name(template.name)
    span.set_attributes(_missing(getattr(span, "attributes", None) or {}, template, own))
    span.end(end_ns)


def _missing(present: Mapping[str, Any], template: Template, own: dict[str, str]) -> dict[str, Any]:
    """The attributes of ``template`` and ``own`` that a span doesn't have yet."""
    return {name: value for name, value in {**template.attributes, **own}.items() if name not in present}
