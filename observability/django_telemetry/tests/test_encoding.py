"""The library's encoder produces the same OTLP message as the SDK's."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from django_telemetry.encoding import encode_spans
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as sdk_encode
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from .harness import MemoryProcessor

VALUES: list[Any] = [
    "text", "", "ünïcödé ☃", "x" * 5000, True, False, 0, 1, -1, 4095, 4096, 2**31, -(2**63), 2**63 - 1,
    0.0, -1.5, 1e300, ("a", "b"), (1, 2, -3), (True, False), (1.5,), (), b"bytes", None, {"k": "v", "n": 1},
]  # fmt: skip


def _context(seed: random.Random, *, remote: bool = False, state: TraceState | None = None) -> SpanContext:
    return SpanContext(
        seed.getrandbits(128) | 1, seed.getrandbits(64) | 1, remote, TraceFlags(seed.choice([1, 3])), state
    )


def _same(spans: list[ReadableSpan]) -> None:
    ours = ExportTraceServiceRequest.FromString(encode_spans(spans))
    theirs = sdk_encode(spans)
    assert ours == theirs


def _random_span(seed: random.Random, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    def attributes() -> dict[str, Any]:
        keys = ("".join(seed.choices(string.ascii_lowercase + ".", k=seed.randint(1, 200))) for _ in range(5))
        return {key: seed.choice(VALUES) for key in keys}

    start = seed.randint(1, 2**62)
    return ReadableSpan(
        name="".join(seed.choices(string.printable, k=seed.randint(0, 300))),
        context=_context(seed, state=TraceState([("vendor", "v1"), ("other", "v2")]) if seed.random() < 0.3 else None),
        parent=_context(seed, remote=seed.random() < 0.5) if seed.random() < 0.7 else None,
        resource=resource,
        attributes=attributes(),
        events=[Event("exception", attributes(), start) for _ in range(seed.randint(0, 3))],
        links=[Link(_context(seed, remote=True), attributes()) for _ in range(seed.randint(0, 2))],
        kind=seed.choice(list(SpanKind)),
        status=seed.choice(
            [Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "why"), Status(StatusCode.ERROR)]
        ),
        start_time=start,
        end_time=start + seed.randint(0, 10**10),
        instrumentation_scope=scope,
    )


@pytest.mark.parametrize("number", range(20))
def test_random_spans_are_encoded_alike(number: int) -> None:
    seed = random.Random(number)
    resources = [Resource({"service.name": "a", "n": 1}), Resource({"service.name": "b"}, "https://schema/1")]
    scopes = [InstrumentationScope("one", "1.0"), InstrumentationScope("two", schema_url="https://schema/2")]
    spans = [_random_span(seed, seed.choice(resources), seed.choice(scopes)) for _ in range(30)]
    _same(sorted(spans, key=lambda span: (id(span.resource), id(span.instrumentation_scope))))


def test_a_live_span_with_dropped_items_is_encoded_alike() -> None:
    memory = MemoryProcessor()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(memory)
    span = provider.get_tracer("t", "1", attributes={"a": "b"}).start_span(
        "live", attributes=dict.fromkeys(map(str, range(200)), "v")
    )
    for number in range(200):
        span.add_event(f"event {number}", dict.fromkeys(map(str, range(200)), number))
    span.end()
    _same(memory.spans)


def test_the_same_key_with_equal_values_of_different_types_is_encoded_separately() -> None:
    seed = random.Random(1)
    scope, resource = InstrumentationScope("s"), Resource({})
    for value in (1, True, 1.0, "1", "True"):
        span = ReadableSpan(
            "n", _context(seed), resource=resource, attributes={"k": value}, instrumentation_scope=scope
        )
        _same([span])


def test_no_spans_are_an_empty_message() -> None:
    assert encode_spans([]) == b""


def _sent(spans: list[ReadableSpan]) -> dict[str, Any]:
    """The encoded spans by name."""
    request = ExportTraceServiceRequest.FromString(encode_spans(spans))
    return {
        span.name: span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }  # fmt: skip


def _deep(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


@given(
    st.dictionaries(
        st.one_of(st.text(st.characters(), min_size=1, max_size=9), st.just("order.id")),
        st.one_of(
            st.integers(min_value=-(2**70), max_value=2**70),
            st.sampled_from([2**63, -(2**63) - 1, 10**5000, -(2**70), object(), {1, 2}, [1, 2**64], {"n": 2**64}]),
            st.floats(),
            st.text(st.characters(), max_size=9),
            st.lists(st.integers(), max_size=3),
            st.builds(_deep, st.sampled_from([5, 5000])),
        ),
        max_size=6,
    )
)
@settings(deadline=None)
def test_an_attribute_that_otlp_cannot_represent_costs_only_itself(attributes: dict[str, Any]) -> None:
    seed = random.Random(3)
    scope, resource = InstrumentationScope("s"), Resource({})
    made = [
        ReadableSpan(
            name,
            _context(seed),
            resource=resource,
            attributes=these,
            events=[Event("event", these, 1)],
            instrumentation_scope=scope,
        )
        for name, these in (("before", {"good": 1}), ("odd", {**attributes, "good": 2}), ("after", {"good": 3}))
    ]
    sent = _sent(made)
    assert list(sent) == ["before", "odd", "after"]
    assert sent["odd"].attributes[-1].value.int_value == 2
    kept, dropped = len(sent["odd"].attributes), sent["odd"].dropped_attributes_count
    assert kept + dropped == len(attributes) + 1
    assert kept >= sum(type(value) in (float, str) for value in attributes.values()) + 1
    (event,) = sent["odd"].events
    assert len(event.attributes) + event.dropped_attributes_count == len(attributes) + 1


def test_a_span_that_cannot_be_encoded_is_sent_with_less_and_costs_no_other() -> None:
    seed = random.Random(4)
    odd = ReadableSpan("odd", _context(seed), status="no status", start_time=5, end_time=7)  # type: ignore[arg-type]
    hopeless = ReadableSpan("hopeless", None)
    lost: list[ReadableSpan] = []
    spans = [ReadableSpan("before", _context(seed)), odd, hopeless, ReadableSpan("after", _context(seed))]
    encode_spans(spans, lost)
    assert lost == [hopeless]
    sent = _sent(spans)
    assert list(sent) == ["before", "odd", "after"]
    assert (sent["odd"].start_time_unix_nano, sent["odd"].end_time_unix_nano) == (5, 7)
