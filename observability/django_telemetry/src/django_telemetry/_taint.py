"""What the other side sent, so that it can be taken out of exception texts again.

Code likes to quote its input (``invalid literal for int(): '…'``). No pattern knows what a client put there, but the
client's own values are at hand. They are looked at only once something has failed, so a good request pays nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from django.http import HttpRequest

from ._deadline import HEADER as DEADLINE_HEADER
from ._deadline import parse_header
from ._ids import accept_request_id, parse_traceparent
from ._url import foreign_segments

# Shown anyway, once they are found to be what they should be.
_OWN: dict[str, Callable[[str], bool]] = {
    "x-request-id": lambda value: accept_request_id(value) == value,
    "traceparent": lambda value: parse_traceparent(value) is not None,
    DEADLINE_HEADER.lower(): lambda value: parse_header(value) is not None,
}
# Beside the headers, what a request's META has from the client. The path has its own rules.
_OTHER_META = ("QUERY_STRING", "CONTENT_TYPE", "REMOTE_ADDR", "REQUEST_METHOD")
# Headers that are lists of values, of which code quotes one.
_LISTS = frozenset({"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_TRACESTATE", "HTTP_BAGGAGE", "HTTP_COOKIE"})
_HARMLESS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "application/json"})
_PIECES = re.compile(r"[\s\"'<>,;&=(){}\[\]]+")
_SHORTEST = 4  # shorter values are words like "id", and taking them out would only spoil the text
_MOST = 1024
_MAX_BODY = 65536
_MAX_VALUE = 4096


class _Overheard:
    """A request's body stream that keeps the beginning of what is read from it.

    A parser that reads the stream (Django REST framework's do) leaves nothing behind to look at.
    """

    __slots__ = ("_stream", "heard")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.heard = b""

    def read(self, *size: Any) -> bytes:
        return self._keep(self._stream.read(*size))

    def readline(self, *size: Any) -> bytes:
        return self._keep(self._stream.readline(*size))

    def _keep(self, data: bytes) -> bytes:
        if len(self.heard) < _MAX_BODY:
            self.heard += data[:_MAX_BODY]
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def overhear(request: HttpRequest) -> None:
    """Keep what will be read of the request's body, up to 64 KiB, until the request is done."""
    stream = request.__dict__.get("_stream")
    if stream is not None:
        request.__dict__["_stream"] = _Overheard(stream)


def of_request(request: HttpRequest) -> Iterator[str]:
    """Values from query, path, headers, cookies and the body as far as the view has read it."""
    yield from request.GET.keys()
    for _, values in request.GET.lists():
        yield from values
    match = request.resolver_match
    if match is not None:
        yield from (value for value in (*match.args, *match.kwargs.values()) if isinstance(value, str))
    yield from foreign_segments(request.path_info, getattr(request, "urlconf", None))
    yield from _of_meta(request.META)
    yield from request.COOKIES.values()
    yield from _of_read_body(request)


def _of_meta(meta: Mapping[str, Any]) -> Iterator[str]:
    for name, value in meta.items():
        if not isinstance(value, str):
            continue
        if name.startswith("HTTP_"):
            if not _is_own(name[5:].lower().replace("_", "-"), value):
                yield value
                yield from _of_header(name, value)
        elif name in _OTHER_META and value not in _HARMLESS:
            yield value
    # As they were sent, beside what GET has made of them.
    yield from _PIECES.split(meta.get("QUERY_STRING") or "")


def _of_read_body(request: HttpRequest) -> Iterator[str]:
    # Never the properties: reading them now would consume a body that nobody has read.
    form: Any = request.__dict__.get("_post")
    if form is not None:
        for _, values in form.lists():
            yield from values
    files: Any = request.__dict__.get("_files")
    if files is not None:
        for _, uploads in files.lists():
            yield from (str(upload.name) for upload in uploads)
    body = request.__dict__.get("_body")
    stream = request.__dict__.get("_stream")
    if isinstance(body, bytes):
        yield from of_body(body)
    elif isinstance(stream, _Overheard):
        yield from of_body(stream.heard)


def _is_own(name: str, value: Any) -> bool:
    return name in _OWN and isinstance(value, str) and _OWN[name](value)


def _of_header(name: str, value: str) -> Iterator[str]:
    """The parts of a header that code may quote by themselves."""
    if name in _LISTS:
        yield from _PIECES.split(value)
    elif name == "HTTP_AUTHORIZATION":
        scheme, _, credentials = value.partition(" ")
        yield credentials
        if scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(credentials).decode("utf-8", "replace")
            except (ValueError, binascii.Error):
                return
            yield decoded
            yield from decoded.split(":", 1)


def of_body(body: bytes) -> Iterator[str]:
    """All texts and numbers in a JSON document; of anything else its words, as they came and decoded."""
    body = body[:_MAX_BODY]
    if not body:
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        yield text
        for piece in _PIECES.split(text):
            yield piece
            yield unquote_plus(piece)
        return
    yield from of_document(document)


def of_pairs(pairs: Any) -> Iterator[str]:
    """The names and values of gRPC metadata or of a message's headers, binary ones too."""
    for name, value in pairs:
        if _is_own(name, value):
            continue
        yield name
        if isinstance(value, bytes):
            yield value.decode("utf-8", "replace")
        else:
            yield from of_document(value)
            if isinstance(value, str):
                yield value.rpartition(" ")[2]  # the token after "Bearer"


def of_document(document: Any, depth: int = 0) -> Iterator[str]:
    """All texts and numbers inside nested mappings and lists."""
    if depth > 20:
        return
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for key, value in document.items():
            yield str(key)
            yield from of_document(value, depth + 1)
    elif isinstance(document, (list, tuple)):
        for value in document:
            yield from of_document(value, depth + 1)
    elif isinstance(document, (int, float)) and not isinstance(document, bool):
        yield str(document)


def of_message(message: Any, depth: int = 0) -> Iterator[str]:
    """All texts and numbers of a protobuf message, or of a request that is plain bytes."""
    if isinstance(message, bytes):
        yield from of_body(message)
        return
    fields = getattr(message, "ListFields", None)
    if fields is None or depth > 20:
        return
    for _, value in fields():
        if isinstance(value, Mapping):
            items: Any = (*value.keys(), *value.values())
        else:
            items = value if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") else (value,)
        for item in items:
            if hasattr(item, "ListFields"):
                yield from of_message(item, depth + 1)
            elif isinstance(item, bytes):
                yield item.decode("utf-8", "replace")
            else:
                yield str(item)


def select(values: Iterator[str]) -> tuple[str, ...]:
    """The values worth looking for, the longest first, so that one inside another leaves no rest."""
    chosen: set[str] = set()
    for value in values:
        stripped = value.strip()[:_MAX_VALUE]
        if len(stripped) >= _SHORTEST:
            chosen.add(stripped)
        if len(chosen) >= _MOST:
            break
    return tuple(sorted(chosen, key=len, reverse=True))
