"""Traces: the process's provider, its sampler, and which callers' trace context is trusted."""

from __future__ import annotations

import hashlib
import hmac
import logging
import platform
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NoOpTracer, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.propagation import _SPAN_KEY
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from . import __version__
from ._span import light_tracer
from ._work import Remembered, Work
from .conf import TelemetryConfig, get_config
from .redaction import MAX_STACK, redact_exception

# The SDK's own default for everything that a span has many of.
_MOST = 128
# A context that hides the current span.
_NO_PARENT = Context({_SPAN_KEY: trace.INVALID_SPAN})

SCOPE = InstrumentationScope("django_telemetry", __version__)

logger = logging.getLogger(__name__)


def build_sampler(config: TelemetryConfig) -> Sampler:
    """The sampler configured by OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG."""
    name = config.sampler
    if name.endswith("always_on"):
        root: Sampler = ALWAYS_ON
    elif name.endswith("always_off"):
        root = ALWAYS_OFF
    else:
        root = TraceIdRatioBased(config.sampler_ratio)
    return ParentBased(root) if name.startswith("parentbased_") else root


def build_resource(config: TelemetryConfig) -> Resource:
    """The resource: service, version, instance, environment and runtime. Host and process ids, no command lines."""
    return Resource.create(
        {
            **config.resource_attributes,
            "service.name": config.service_name,
            "service.version": config.service_version,
            "service.instance.id": config.instance_id,
            "deployment.environment.name": config.environment,
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
        }
    )


class Start(Protocol):
    """Starts one of the library's spans. ``parent`` None makes it a root, regardless of the current span."""

    def __call__(
        self, name: str, kind: SpanKind, parent: SpanContext | None, start_ns: int, links: Sequence[Link] = ()
    ) -> Span: ...


class Tracing:
    """The process's tracer, trust rule and tail export. Created once by the app; tests create their own."""

    def __init__(self, config: TelemetryConfig, provider: TracerProvider | None) -> None:
        self.config = config
        self.provider = provider
        self.tracer: Tracer = provider.get_tracer(SCOPE.name, SCOPE.version) if provider is not None else NoOpTracer()
        light = light_tracer(provider, self.tracer) if provider is not None else None
        self.start: Start = light.start if light is not None else self._start_by_sdk
        self.remembers = provider is not None and config.tail
        self._trust = Trust(config.trusted_parents, config.trusted_tokens)

    def trusts(self, authorization: str | None) -> bool:
        """Whether a caller with this Authorization value may continue its trace."""
        return self._trust.allows(authorization)

    def _start_by_sdk(
        self, name: str, kind: SpanKind, parent: SpanContext | None, start_ns: int, links: Sequence[Link] = ()
    ) -> Span:
        context = _NO_PARENT if parent is None else Context({_SPAN_KEY: trace.NonRecordingSpan(parent)})
        return self.tracer.start_span(name, context=context, kind=kind, start_time=start_ns, links=links)

    def export_kept(self, work: Work, own: Remembered) -> None:
        """Export the spans of an unsampled unit of work that the tail rule keeps."""
        if self.provider is None or work.remembered is None:
            return
        processor = self.provider._active_span_processor
        for call in (*work.remembered, own):
            processor.on_end(_readable(call, self.provider.resource))
        work.remembered = None


class Trust:
    """Decides which callers' trace context is continued.

    Otherwise a public caller could force sampling (cost) or write into another caller's trace. ``token``: callers that
    send one of the service tokens; ``all``: every caller, for a service that only other services can reach; ``none``:
    no caller.
    """

    def __init__(self, rule: str, tokens: Iterable[str]) -> None:
        self._rule = rule
        # Digests, so that the comparison time doesn't depend on the length of the received token.
        self._digests = tuple({_digest(token) for token in tokens if token})

    def allows(self, authorization: str | None) -> bool:
        if self._rule != "token":
            return self._rule == "all"
        if not authorization or not self._digests:
            return False
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        offered = _digest(token.strip())
        # No early exit, so that the time doesn't reveal which token matched.
        matches = [hmac.compare_digest(offered, known) for known in self._digests]
        return any(matches)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _readable(call: Remembered, resource: Resource) -> ReadableSpan:
    """The span of a remembered call, marked as kept by the tail rule."""
    return ReadableSpan(
        name=call.name,
        context=_sampled(call.context),
        parent=call.parent if call.parent.is_valid else None,
        resource=resource,
        attributes={**call.attributes, "sampling.rule": "tail"},
        kind=call.kind,
        status=Status(call.status, call.status_text if call.status is StatusCode.ERROR else None),
        start_time=call.start_ns,
        end_time=call.end_ns,
        instrumentation_scope=SCOPE,
        links=call.links,
    )


def _sampled(context: SpanContext) -> SpanContext:
    return SpanContext(
        context.trace_id,
        context.span_id,
        is_remote=False,
        trace_flags=TraceFlags(context.trace_flags | TraceFlags.SAMPLED),
        trace_state=context.trace_state,
    )


def build_provider(config: TelemetryConfig) -> TracerProvider:
    """A TracerProvider for ``config``, without a span processor. The library shuts it down itself, in bounded time."""
    return TracerProvider(
        sampler=build_sampler(config),
        resource=build_resource(config),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=config.attribute_count_limit,
            max_span_attribute_length=config.attribute_value_limit,
            # Events have stack traces, which redact_exception() has already truncated.
            max_attribute_length=max(MAX_STACK + 1, config.attribute_value_limit),
            # Given here, since the SDK reads the others from the environment and raises for a value that is wrong.
            max_attributes=_MOST,
            max_events=_MOST,
            max_links=_MOST,
            max_event_attributes=_MOST,
            max_link_attributes=_MOST,
        ),
    )


def install(config: TelemetryConfig, provider: TracerProvider) -> None:
    """Make ``provider`` the global one, with the configured propagators for other instrumentation."""
    trace.set_tracer_provider(provider)
    known: dict[str, TextMapPropagator] = {
        "tracecontext": TraceContextTextMapPropagator(),
        "baggage": W3CBaggagePropagator(),
    }
    set_global_textmap(CompositePropagator([known[name] for name in config.propagators]))


def exception_event(span: Span, exc: BaseException) -> None:
    """Record ``exc`` on ``span``, with a redacted message and without argument values."""
    kind = type(exc)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message, stack = redact_exception(exc)
    span.add_event(
        "exception",
        {"exception.type": name, "exception.message": message, "exception.stacktrace": stack},
        timestamp=time.time_ns(),
    )


_tracing: Tracing | None = None


def set_tracing(tracing: Tracing | None) -> None:
    """Set the process's tracing; None restores the no-op one."""
    global _tracing
    _tracing = tracing


def get_tracing() -> Tracing:
    """The process's tracing; a no-op one before the app is ready or when traces are off."""
    global _tracing
    if _tracing is None:
        _tracing = Tracing(get_config(), None)
    return _tracing
