"""Spans to OTLP protobuf, several times cheaper than through message objects.

Every span of a sampled request is encoded by a thread that competes with requests for the GIL, so its cost slows the
requests. Most attributes repeat between spans, so their encoded form is cached. The message is identical to that of
the SDK's encoder; a test checks this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status

from ._cache import SizedCache
from ._guard import report
from ._span import LightSpan, Template

_KINDS = {
    SpanKind.INTERNAL: b"\x30\x01",
    SpanKind.SERVER: b"\x30\x02",
    SpanKind.CLIENT: b"\x30\x03",
    SpanKind.PRODUCER: b"\x30\x04",
    SpanKind.CONSUMER: b"\x30\x05",
}
_TIMES = Struct("<BQBQ").pack  # fields 7 and 8, fixed64
_TIME = Struct("<BQ").pack
_FLAGS = Struct("<I").pack
_DOUBLE = Struct("<d").pack
_HAS_IS_REMOTE = 0x100
_IS_REMOTE = 0x200

# Field tags: number << 3 | wire type (0 varint, 1 fixed64, 2 length-delimited, 5 fixed32).
_SPAN_ATTRIBUTE, _SPAN_EVENT, _SPAN_LINK, _SPAN_STATUS, _SPAN_FLAGS = b"\x4a", b"\x5a", b"\x6a", b"\x7a", b"\x85\x01"

_attributes_cache: SizedCache[tuple[str, str], bytes] = SizedCache()
_keys_cache: SizedCache[str, bytes] = SizedCache()


def _varint(value: int) -> bytes:
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = tuple(_varint(number) for number in range(4096))


def _size(number: int) -> bytes:
    return _SMALL[number] if number < 4096 else _varint(number)


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    return _size(len(data)) + data


def _wrap(tag: bytes, message: bytes) -> bytes:
    return tag + _size(len(message)) + message


def _value(value: Any) -> bytes:
    """An AnyValue."""
    if isinstance(value, str):
        return b"\x0a" + _text(value)
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise OverflowError("an integer attribute has at most 64 bits")
        return b"\x18" + (_SMALL[value] if 0 <= value < 4096 else _varint(value))
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray)):
        return _wrap(b"\x3a", bytes(value))
    if isinstance(value, Mapping):
        return _wrap(b"\x32", b"".join(_attributes(b"\x0a", {str(k): v for k, v in value.items()})))
    if isinstance(value, Sequence):
        return _wrap(b"\x2a", b"".join(_wrap(b"\x0a", _value(item)) for item in value))
    raise TypeError(f"an attribute cannot be of type {type(value).__name__}")


def _key(key: str) -> bytes:
    encoded = _keys_cache.get(key)
    if encoded is None:
        encoded = b"\x0a" + _text(key)
        _keys_cache.keep(key, encoded, len(encoded))
    return encoded


def _attribute(key: str, value: Any) -> bytes:
    """A KeyValue, prefixed with its size."""
    if type(value) is not str:
        message = _key(key) + _wrap(b"\x12", _value(value))
        return _size(len(message)) + message
    pair = (key, value)
    encoded = _attributes_cache.get(pair)
    if encoded is None:
        message = _key(key) + _wrap(b"\x12", b"\x0a" + _text(value))
        encoded = _size(len(message)) + message
        if len(value) <= 256:
            _attributes_cache.keep(pair, encoded, len(encoded))
    return encoded


def _attributes(tag: bytes, attributes: Any) -> list[bytes]:
    # Use the plain dict inside the SDK's attributes: iterating over the latter takes a lock for each item.
    items: Mapping[str, Any] = getattr(attributes, "_dict", attributes) or {}
    try:
        return [tag + _attribute(key, value) for key, value in items.items()]
    except Exception:  # one that OTLP can't represent; the others are kept
        return [tag + encoded for key, value in list(items.items()) if (encoded := _attribute_or_none(key, value))]


def _attribute_or_none(key: str, value: Any) -> bytes | None:
    try:
        return _attribute(key, value)
    except Exception:
        return None


def _left_out(attributes: Any, encoded: list[bytes]) -> int:
    """The number of attributes that could not be encoded."""
    return len(attributes) - len(encoded) if attributes else 0


def _count(tag: bytes, number: int) -> bytes:
    return tag + _size(number) if number else b""


def _remote_flags(context: SpanContext | None) -> int:
    return _HAS_IS_REMOTE | _IS_REMOTE if context is not None and context.is_remote else _HAS_IS_REMOTE


def _event(event: Event) -> bytes:
    parts = [_TIME(0x09, event.timestamp), b"\x12", _text(event.name)]
    attributes = _attributes(b"\x1a", event.attributes)
    parts += attributes
    parts.append(_count(b"\x20", event.dropped_attributes + _left_out(event.attributes, attributes)))
    return _wrap(_SPAN_EVENT, b"".join(parts))


def _link(link: Link) -> bytes:
    context = link.context
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    attributes = _attributes(b"\x22", link.attributes)
    parts += attributes
    dropped = link.dropped_attributes + _left_out(link.attributes, attributes)
    parts += [_count(b"\x28", dropped), b"\x35", _FLAGS(_remote_flags(context))]
    return _wrap(_SPAN_LINK, b"".join(parts))


def _templated(span: LightSpan, template: Template) -> bytes:
    """A span with a template; the template's encoded form is cached."""
    if template.encoded is None:
        shared = _attributes(_SPAN_ATTRIBUTE, template.attributes)
        template.encoded = (
            b"\x2a" + _text(template.name) + _KINDS[span._kind],
            b"".join(shared) + _count(b"\x50", _left_out(template.attributes, shared)),
        )
    head, attributes = template.encoded
    context, parent = span._context, span._parent
    parts = [b"\x0a\x10", context[0].to_bytes(16, "big"), b"\x12\x08", context[1].to_bytes(8, "big")]
    if context[4]:
        parts += [b"\x1a", _text(context[4].to_header())]
    if parent is not None:
        parts += [b"\x22\x08", parent[1].to_bytes(8, "big")]
    parts += [head, _TIMES(0x39, span._start_time, 0x41, span._end_time), attributes]
    for key, value in span.own.items():
        # Only this span has the value: don't cache it.
        message = _key(key) + _wrap(b"\x12", b"\x0a" + _text(value))
        parts += [_SPAN_ATTRIBUTE, _size(len(message)), message]
    message = _status(span._status)
    parts += [_SPAN_STATUS, _size(len(message)), message, _SPAN_FLAGS, _FLAGS(_remote_flags(parent))]
    return b"".join(parts)


def _status(status: Status) -> bytes:
    message = b"\x12" + _text(status.description) if status.description else b""
    if status.status_code.value:
        message += b"\x18" + _SMALL[status.status_code.value]
    return message


def _span(span: ReadableSpan) -> bytes:
    if isinstance(span, LightSpan) and span.template is not None:
        return _templated(span, span.template)
    context, parent = span._context, span._parent
    if context is None:
        raise ValueError("a span without a context cannot be encoded")
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    if context.trace_state:
        parts += [b"\x1a", _text(",".join(f"{key}={value}" for key, value in context.trace_state.items()))]
    if parent is not None:
        parts += [b"\x22\x08", parent.span_id.to_bytes(8, "big")]
    parts += [b"\x2a", _text(span._name), _KINDS[span._kind]]
    parts.append(_TIMES(0x39, span._start_time or 0, 0x41, span._end_time or 0))
    attributes = _attributes(_SPAN_ATTRIBUTE, span._attributes)
    parts += attributes
    parts.append(_count(b"\x50", span.dropped_attributes + _left_out(span._attributes, attributes)))
    if span._events:
        parts += [_event(event) for event in span._events]
        parts.append(_count(b"\x60", span.dropped_events))
    if span._links:
        parts += [_link(link) for link in span._links]
        parts.append(_count(b"\x70", span.dropped_links))
    message = _status(span._status)
    parts += [_SPAN_STATUS, _size(len(message)), message, _SPAN_FLAGS, _FLAGS(_remote_flags(parent))]
    return b"".join(parts)


def _resource(resource: Resource) -> bytes:
    return _wrap(b"\x0a", b"".join(_attributes(b"\x0a", dict(resource.attributes))))


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b"\x0a\x00"
    parts = [b"\x0a", _text(scope.name)] if scope.name else []
    if scope.version:
        parts += [b"\x12", _text(scope.version)]
    parts += _attributes(b"\x1a", dict(scope.attributes or {}))
    return _wrap(b"\x0a", b"".join(parts))


def _span_or_less(span: ReadableSpan) -> bytes | None:
    """A span; only its ids, name and times if it can't be encoded; None if these can't be either."""
    try:
        return _span(span)
    except Exception:
        report("the encoding of a span")
    try:
        reduced = ReadableSpan(
            str(span._name), span._context, span._parent, start_time=span._start_time, end_time=span._end_time
        )
        return _span(reduced)
    except Exception:
        return None


def encode_spans(spans: Iterable[ReadableSpan], lost: list[ReadableSpan] | None = None) -> bytes:
    """An ExportTraceServiceRequest with ``spans``, grouped by resource and instrumentation scope.

    A span that can't be encoded doesn't cost the others; it is added to ``lost``.
    """
    grouped: dict[int, tuple[Resource, dict[int, tuple[InstrumentationScope | None, list[bytes]]]]] = {}
    for span in spans:
        message = _span_or_less(span)
        if message is None:
            if lost is not None:
                lost.append(span)
            continue
        resource, scope = span._resource, span._instrumentation_scope
        # Group by identity: hashing a resource costs more than encoding a span, and a process has only one.
        _, scopes = grouped.setdefault(id(resource), (resource, {}))
        _, encoded = scopes.setdefault(id(scope), (scope, []))
        encoded.append(_wrap(b"\x12", message))
    request = []
    for resource, scopes in grouped.values():
        parts = [_resource(resource)]
        for scope, encoded in scopes.values():
            schema = b"\x1a" + _text(scope.schema_url) if scope is not None and scope.schema_url else b""
            parts.append(_wrap(b"\x12", _scope(scope) + b"".join(encoded) + schema))
        if resource.schema_url:
            parts.append(b"\x1a" + _text(resource.schema_url))
        request.append(_wrap(b"\x0a", b"".join(parts)))
    return b"".join(request)
