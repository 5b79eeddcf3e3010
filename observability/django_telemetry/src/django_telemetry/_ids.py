"""Identifiers on the wire: W3C trace context, request ids, event ids."""

from __future__ import annotations

import os
import re
from random import Random

from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from ._fork import after_fork

REQUEST_ID_HEADER = "X-Request-ID"
TRACE_RESPONSE_HEADER = "traceresponse"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z", re.ASCII)
_SAMPLED = 1

# Ids must be unique, not secret; the system's generator costs one system call per id.
_random = Random(os.urandom(16))  # noqa: S311
_SPARE_IDS = 64
_spare_ids: list[str] = []


def _reseed() -> None:
    """Reseed, so that parent and child don't generate the same ids."""
    _random.seed(os.urandom(16))
    _spare_ids.clear()


after_fork(_reseed)


def new_request_id() -> str:
    """A new request id: a random UUID (version 4)."""
    try:
        return _spare_ids.pop()
    except IndexError:
        # Generating ids in batches takes a third of the time of generating them one by one.
        made = [_random_uuid() for _ in range(_SPARE_IDS)]
        own = made.pop()
        _spare_ids.extend(made)
        return own


def _random_uuid() -> str:
    bits = _random.getrandbits(128)
    # Formatted here because uuid.UUID takes three times as long and every request needs one.
    digits = f"{bits:032x}"
    variant = "89ab"[bits & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_event_id() -> str:
    """A new log event id, 32 hex digits. It is the log store's document id, so a line shipped twice is stored once."""
    return f"{_random.getrandbits(128):032x}"


def accept_request_id(raw: str | None) -> str:
    """``raw`` when it is a valid request id (1 to 128 of A-Z a-z 0-9 . _ -), else a new one."""
    return raw if raw and _REQUEST_ID.match(raw) else new_request_id()


def parse_traceparent(raw: str | None, tracestate: str | None = None) -> SpanContext | None:
    """The remote span context in a ``traceparent`` value, or None when there is none or it is malformed."""
    match = _TRACEPARENT.match(raw.strip()) if raw else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest):
        return None
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
        trace_state=TraceState.from_header([tracestate]) if tracestate else None,
    )
    return context if context.is_valid else None


def format_traceparent(context: SpanContext, *, keep: bool = False) -> str:
    """``context`` as a traceparent or traceresponse; ``keep`` sets the sampled flag regardless of the sampler."""
    flags = int(context.trace_flags) | (_SAMPLED if keep else 0)
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"


def hex_ids(context: SpanContext) -> tuple[str, str] | None:
    """(trace id, span id) as 32 and 16 hex digits; None for an invalid context."""
    trace_id, span_id, _, _, _, is_valid = context
    return (f"{trace_id:032x}", f"{span_id:016x}") if is_valid else None


def exemplar_of(context: SpanContext) -> dict[str, str]:
    """The exemplar labels that link to the span of ``context``."""
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
