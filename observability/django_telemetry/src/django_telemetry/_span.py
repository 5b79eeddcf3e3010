"""The SDK's spans and sampling, without what nearly no span uses.

The SDK makes containers with locks for the attributes, events and links of each span, cleans attributes again, copies
the span at its end, and asks its sampler through several objects: more work than all the rest of a request's telemetry.
A LightSpan is a span of the SDK that makes these things when somebody touches them. A test compares both.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
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

# A span costs about this much memory before its attributes, and each attribute before its text.
SPAN_BYTES = 640
ATTRIBUTE_BYTES = 80

_SAMPLED, _RANDOM = TraceFlags.SAMPLED, TraceFlags.RANDOM_TRACE_ID
_SPAN_ID_BITS, _SPAN_ID_MASK = 64, (1 << 64) - 1
# A ratio of trace ids is sampled: those whose lower bits are below a bound.
_RATIO_MASK = TraceIdRatioBased.TRACE_ID_LIMIT
_ALL, _NONE = _RATIO_MASK + 1, 0
_FLAGS = tuple(TraceFlags(bits) for bits in range(4))
_UNSET = Status(StatusCode.UNSET)


class Template:
    """Name and attributes that many spans share: checked, weighed and encoded once."""

    __slots__ = ("attributes", "encoded", "longest", "name", "size")

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.attributes = attributes
        texts = [len(value) for value in attributes.values() if isinstance(value, str)]
        self.longest = max(texts, default=0)
        self.size = SPAN_BYTES + ATTRIBUTE_BYTES * len(attributes) + sum(texts)
        # Left to the thread that encodes: the name, and the attributes.
        self.encoded: tuple[bytes, bytes] | None = None

    def fits(self, limits: SpanLimits, more: dict[str, str]) -> bool:
        """Whether these attributes and ``more`` stay within ``limits``, so that nothing needs to be cut."""
        most, limit = limits.max_span_attributes, limits.max_span_attribute_length
        if most is None or limit is None or len(self.attributes) + len(more) > most or self.longest > limit:
            return False
        return all(len(value) <= limit for value in more.values())


class LightSpan(_Span):
    """A recording span of the SDK, several times cheaper to make and to end."""

    _tracer: LightTracer
    _instrumentation_info = None
    _trace_config = None
    _record_end_metrics = None
    _record_exception = True
    _set_status_on_exception = True
    _status = _UNSET
    _end_time: int | None = None
    _context: SpanContext
    # Whether any of the containers was made.
    _touched = False
    # What an untouched span has in place of attributes of its own once it has ended, and what it weighs.
    template: Template | None = None
    own: dict[str, str]
    size = 0

    def __new__(cls, *_: Any) -> LightSpan:
        return object.__new__(cls)  # the SDK's own only refuses those who come without a tracer

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        links: Sequence[Link],
        start_ns: int,
    ) -> None:
        # Without the SDK's own, which makes what __getattr__ makes at need.
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
        # Only reached for what isn't there yet.
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
        # Two threads may come here at once; both must get the same.
        return self.__dict__.setdefault(name, value)

    def finish(self, template: Template, own: dict[str, str], end_ns: int) -> None:
        """update_name(), set_attributes() and end() in one: what the template has, and ``own``, which belongs to it."""
        with self._lock:
            if self._end_time is not None:
                return
            self._end_time = end_ns
            self._name = template.name
            if not self._touched and template.fits(self._limits, own):
                self.own = own
                self.template = template
                self.size = template.size + (ATTRIBUTE_BYTES + 64) * len(own)
            else:
                attributes: Any = self._attributes
                attributes._set_items({**template.attributes, **own})
                attributes._immutable = True
        processor = self._span_processor
        if self._tracer.has_listeners():
            processor._on_ending(self)
        # Itself and not a copy: nothing can change it any more.
        processor.on_end(self)


class LightTracer:
    """Starts LightSpans in the name of a provider: its sampler, limits, resource and processors apply."""

    def __init__(self, provider: TracerProvider, sdk: SdkTracer, decide: Decide) -> None:
        self._decide = decide
        self._processor = provider._active_span_processor
        self._known: tuple[SpanProcessor, ...] | None = None
        self._listeners = True
        # A class of its own, which has what all spans of a tracer share.
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
        """A started span, or one that only carries ids when the sampler says no."""
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
        """Whether any processor wants to hear of a span before it has ended."""
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


def _span_context(trace_id: int, span_id: int, flags: TraceFlags, state: TraceState) -> SpanContext:
    """SpanContext(), past its checks of the ids: these are valid."""
    return tuple.__new__(SpanContext, (trace_id, span_id, False, flags, state, True))


Decide = Callable[[int, "SpanContext | None"], bool]


def _bound(sampler: Sampler) -> int | None:
    """Traces whose id, as far as ratios go, is below this are sampled."""
    if sampler is ALWAYS_ON:
        return _ALL
    if sampler is ALWAYS_OFF:
        return _NONE
    return sampler.bound if type(sampler) is TraceIdRatioBased else None


def decision(sampler: Sampler) -> Decide | None:
    """What ``sampler`` decides, as one function; None for a sampler that isn't one of the SDK's plain ones."""
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
    """A LightTracer for ``provider``, unless it has a sampler, ids or metrics of its own kind: the SDK serves these."""
    decide = decision(provider.sampler)
    if decide is None or not isinstance(sdk, SdkTracer) or type(provider.id_generator) is not RandomIdGenerator:
        return None
    return LightTracer(provider, sdk, decide) if isinstance(sdk._tracer_metrics, NoOpTracerMetrics) else None


def finish(span: Span, template: Template, own: dict[str, str], end_ns: int) -> None:
    """Name ``span`` after ``template``, give it the template's attributes and its ``own``, and end it."""
    if isinstance(span, LightSpan):
        span.finish(template, own, end_ns)
        return
    span.update_name(template.name)
    span.set_attributes({**template.attributes, **own})
    span.end(end_ns)
