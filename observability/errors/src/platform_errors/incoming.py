"""Reads what clients send: the key, the body within its limits, the envelope."""

from __future__ import annotations

import hmac
import json
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import brotli
from sentry_sdk.envelope import Envelope

# Sentry's own limit for an event. Before and after decompression.
LARGEST_BODY_BYTES = 1024 * 1024
# Bounds the memory of a parsed body: a megabyte of `[],[],…` would take 25 as Python objects. Real events have
# some thousand values.
MOST_VALUES = 50_000


# 4 MiB, which is the default of encoders; the largest has 16 MiB.
LARGEST_BROTLI_WINDOW = 22


class Refused(Exception):
    """A request that is not accepted: the HTTP status and the reason (a word, also a metric's label)."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


def check_key(wanted: str, header: str, query: str) -> None:
    """Compare the key in X-Sentry-Auth (`Sentry sentry_key=…, …`) or in the query string. Raises Refused."""
    given = query
    for part in header.removeprefix("Sentry ").split(","):
        name, _, value = part.strip().partition("=")
        if name == "sentry_key":
            given = value
    if not hmac.compare_digest(given.encode(errors="replace"), wanted.encode()):
        raise Refused(403, "key", "the DSN's key is missing or wrong")


def decompress(body: bytes, encoding: str) -> bytes:
    """Decode the body. Never holds more than LARGEST_BODY_BYTES of the result. Raises Refused."""
    if encoding in ("", "identity"):
        return body
    decoders = _DECODERS.get(encoding)
    if decoders is None:
        raise Refused(415, "encoding", f"allowed are {', '.join(_DECODERS)}")
    for decode in decoders:
        try:
            decoded, is_whole = decode(body)
        except (zlib.error, brotli.error):
            continue
        if len(decoded) > LARGEST_BODY_BYTES:
            raise too_large()
        if not is_whole:
            raise _broken("the compressed body is truncated, or something follows it")
        return decoded
    raise _broken(f"the body is not {encoding}")


def _inflate(window: int, body: bytes) -> tuple[bytes, bool]:
    decoder = zlib.decompressobj(window)
    decoded = decoder.decompress(body, LARGEST_BODY_BYTES + 1)
    return decoded, decoder.eof and not decoder.unused_data


def _unbrotli(body: bytes) -> tuple[bytes, bool]:
    # RFC 7932, 9.1: the first bits are the size of the window, of which the decoder makes a buffer.
    if body and body[0] & 1 and 17 + (body[0] >> 1 & 7) > LARGEST_BROTLI_WINDOW:
        raise too_large()
    decoder = brotli.Decompressor()
    decoded = decoder.process(body, output_buffer_limit=LARGEST_BODY_BYTES + 1)
    return decoded, decoder.is_finished()


# Each returns what it decoded, at most a little more than the limit, and whether that is the whole body.
_Decoder = Callable[[bytes], tuple[bytes, bool]]
_DECODERS: Mapping[str, tuple[_Decoder, ...]] = {
    "gzip": (partial(_inflate, 16 + zlib.MAX_WBITS),),
    # Some clients send deflate without zlib's header.
    "deflate": (partial(_inflate, zlib.MAX_WBITS), partial(_inflate, -zlib.MAX_WBITS)),
    # sentry-sdk's choice where the package brotli is installed.
    "br": (_unbrotli,),
}


def parse_envelope(body: bytes) -> Envelope:
    """Parse an envelope; its events are JSON objects. Raises Refused."""
    _check_size(body)
    try:
        envelope = Envelope.deserialize(body)
    except Exception as error:
        # sentry_sdk.envelope has no error of its own: malformed input raises whatever it leads to.
        raise _broken("not an envelope") from error
    if not all(item.type != "event" or isinstance(item.payload.json, dict) for item in envelope.items):
        raise _broken("an event is not a JSON object")
    return envelope


def parse_event(body: bytes) -> Envelope:
    """Parse the body of the older endpoint /store/, one event as JSON, into an envelope. Raises Refused."""
    _check_size(body)
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _broken("not JSON") from error
    if not isinstance(event, dict):
        raise _broken("not a JSON object")
    envelope = Envelope(headers={"event_id": event.get("event_id")})
    envelope.add_event(event)  # type: ignore[arg-type]
    return envelope


def events(envelope: Envelope) -> list[Mapping[str, Any]]:
    """The error events of an envelope. One without an id of its own takes the envelope's."""
    found: list[Mapping[str, Any]] = []
    for item in envelope.items:
        event = item.get_event()
        if event is not None:
            found.append({"event_id": envelope.headers.get("event_id"), **event})
    return found


def too_large() -> Refused:
    """The refusal of a body over a limit."""
    return Refused(413, "too_large", f"at most {LARGEST_BODY_BYTES} bytes, before and after decompression")


def _check_size(body: bytes) -> None:
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_VALUES:
        raise Refused(413, "too_large", f"at most {MOST_VALUES} values")


def _broken(detail: str) -> Refused:
    return Refused(400, "broken", detail)
