"""The light span compared with the SDK's own: the same calls give the same span."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django_telemetry import tracing
from django_telemetry._span import LightSpan, Template, decision, finish, light_tracer
from django_telemetry.conf import get_config
from django_telemetry.encoding import encode_spans
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from .harness import MemoryProcessor

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(3))
TEMPLATE = Template("GET things", {"http.request.method": "GET", "http.response.status_code": 200, "ratio": 0.5})


def _provider(**changes: Any) -> tuple[TracerProvider, MemoryProcessor]:
    provider = tracing.build_provider(replace(get_config(), **changes))
    memory = MemoryProcessor()
    provider.add_span_processor(memory)
    return provider, memory


def _both(do: Callable[[trace.Span], object], parent: SpanContext | None = None, **changes: Any) -> list[ReadableSpan]:
    """Apply ``do`` to a light span and to an SDK span. Returns both as their processor received them."""
    provider, memory = _provider(**changes)
    sdk = provider.get_tracer("t")
    light = light_tracer(provider, sdk)
    assert light is not None, "the library's own provider should have a light tracer"
    context = Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
    links = (Link(REMOTE, {"a": "b"}),) if parent is None else ()
    for span in (
        light.start("start", SpanKind.SERVER, parent, 1_000, links),
        sdk.start_span("start", context, SpanKind.SERVER, None, links, 1_000),
    ):
        assert isinstance(span, Span), f"a span of the SDK expected, got {type(span)}"
        do(span)
        finish(span, TEMPLATE, {"url.path": "/api/" + 40 * "x", "request.id": "r-1"}, 2_000)
    assert len(memory.spans) == 2, f"both spans should be exported once, got {memory.spans}"
    return memory.spans


def _shown(span: ReadableSpan) -> dict[str, Any]:
    shown = {
        name: getattr(span, name)
        for name in ("name", "kind", "parent", "start_time", "end_time", "dropped_attributes", "dropped_events")
    }
    shown["attributes"] = dict(span.attributes or {})
    shown["status"] = (span.status.status_code, span.status.description)
    shown["events"] = [(event.name, dict(event.attributes or {})) for event in span.events]
    shown["links"] = [(link.context, dict(link.attributes or {})) for link in span.links]
    shown["flags"] = span.context.trace_flags
    return shown


DEEDS: dict[str, Callable[[trace.Span], object]] = {
    "nothing": lambda span: None,
    "attributes": lambda span: span.set_attributes({"own": "x" * 5000, "http.request.method": "other"}),
    "an attribute": lambda span: span.set_attribute("list", [1, 2]),
    "an event": lambda span: span.add_event("e", {"k": "v"}),
    "a link": lambda span: span.add_link(REMOTE),
    "an error": lambda span: span.set_status(StatusCode.ERROR, "text"),
    "an exception": lambda span: span.record_exception(ValueError("x")),
    "another name": lambda span: span.update_name("other"),
    "an early end": lambda span: span.end(1_500),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("parent", [None, REMOTE], ids=["root", "child"])
@pytest.mark.parametrize("limits", [{}, {"attribute_value_limit": 16}, {"attribute_count_limit": 8}], ids=str)
def test_a_light_span_equals_the_span_of_the_sdk(deed: str, parent: SpanContext | None, limits: dict[str, int]) -> None:
    light, sdk = _both(DEEDS[deed], parent, **limits)
    assert _shown(light) == _shown(sdk)


@pytest.mark.parametrize("deed", [name for name in DEEDS if name != "an exception"])
@pytest.mark.parametrize("parent", [None, REMOTE], ids=["root", "child"])
def test_a_light_span_is_encoded_like_the_span_of_the_sdk(deed: str, parent: SpanContext | None) -> None:
    encoded = []
    for span in _both(DEEDS[deed], parent):
        message = ExportTraceServiceRequest.FromString(encode_spans([span])).resource_spans[0].scope_spans[0].spans[0]
        message.span_id = message.trace_id = b""
        for event in message.events:
            event.time_unix_nano = 0
        encoded.append(message)
    light, sdk = encoded
    assert sorted(map(str, light.attributes)) == sorted(map(str, sdk.attributes))
    del light.attributes[:], sdk.attributes[:]
    assert light == sdk


def test_an_ended_span_ignores_changes() -> None:
    light, _ = _both(lambda span: None)
    assert isinstance(light, LightSpan)
    before = _shown(light)
    light.set_attribute("late", 1)
    light.add_event("late")
    light.update_name("late")
    light.end()
    finish(light, Template("late", {}), {}, 9_000)
    assert _shown(light) == before


SAMPLERS: dict[str, Sampler] = {
    "on": ALWAYS_ON,
    "off": ALWAYS_OFF,
    "a third": TraceIdRatioBased(1 / 3),
    "parent, else on": ParentBased(ALWAYS_ON),
    "parent, else off": ParentBased(ALWAYS_OFF),
    "parent, else a third": ParentBased(TraceIdRatioBased(1 / 3)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_decision_is_the_samplers(name: str) -> None:
    sampler = SAMPLERS[name]
    decide = decision(sampler)
    assert decide is not None
    seed = random.Random(1)
    for _ in range(300):
        trace_id = seed.getrandbits(128)
        for parent in (
            None,
            *(SpanContext(trace_id, 1, remote, TraceFlags(f)) for remote in (False, True) for f in range(4)),
        ):
            span = trace.INVALID_SPAN if parent is None else NonRecordingSpan(parent)
            theirs = sampler.should_sample(trace.set_span_in_context(span, Context()), trace_id, "n")
            assert decide(trace_id, parent) == theirs.decision.is_sampled(), f"{trace_id:x} {parent}"


class _Ids(IdGenerator):
    def generate_span_id(self) -> int:
        return 1

    def generate_trace_id(self) -> int:
        return 1


class _Sampler(TraceIdRatioBased):
    """A custom sampler."""


@pytest.mark.parametrize(
    "own", [{"sampler": _Sampler(1.0)}, {"sampler": ParentBased(_Sampler(1.0))}, {"id_generator": _Ids()}]
)
def test_a_provider_with_custom_parts_uses_the_spans_of_the_sdk(own: dict[str, Any]) -> None:
    provider = TracerProvider(**own)
    assert light_tracer(provider, provider.get_tracer("t")) is None


class _Listener(SpanProcessor):
    """A custom processor that is called at the start of spans."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, SpanContext | None]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        inside = trace.get_current_span(parent_context).get_span_context()
        self.recorded.append(("start", inside if inside.is_valid else None))

    def _on_ending(self, span: Span) -> None:
        self.recorded.append(("ending", None))

    def on_end(self, span: ReadableSpan) -> None:
        self.recorded.append(("end", None))


@pytest.mark.parametrize("parent", [None, REMOTE], ids=["root", "child"])
def test_a_processor_added_later_receives_starts_and_ends(parent: SpanContext | None) -> None:
    provider, _ = _provider()
    light = light_tracer(provider, provider.get_tracer("t"))
    assert light is not None
    assert not light.has_listeners()
    listener = _Listener()
    provider.add_span_processor(listener)
    finish(light.start("s", SpanKind.SERVER, parent, 1), TEMPLATE, {}, 2)
    assert listener.recorded == [("start", parent), ("ending", None), ("end", None)]


def test_a_light_context_equals_a_context_of_the_sdk() -> None:
    provider, _ = _provider()
    light = light_tracer(provider, provider.get_tracer("t"))
    assert light is not None
    for parent in (None, REMOTE):
        context = light.start("s", SpanKind.SERVER, parent, 1).get_span_context()
        same = SpanContext(context.trace_id, context.span_id, False, context.trace_flags, context.trace_state)
        assert context == same, "the API's own constructor should make the same"
        assert (context.is_valid, context.is_remote) == (True, False)
