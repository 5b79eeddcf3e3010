"""Client-supplied values, collected so that they can be removed from exception texts.

Exceptions often quote their input (``invalid literal for int(): '…'``). No pattern can recognise such values, but the
request itself has them. They are read only after a failure, so a successful request pays nothing.
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
from ._guard import internal_error
from ._ids import accept_request_id, parse_traceparent
from ._url import foreign_segments

# Kept in texts when they have the expected format.
_OWN: dict[str, Callable[[str], bool]] = {
    "x-request-id": lambda value: accept_request_id(value) == value,
    "traceparent": lambda value: parse_traceparent(value) is not None,
    DEADLINE_HEADER.lower(): lambda value: parse_header(value) is not None,
}
# Besides the headers, the client-supplied entries of META. foreign_segments() returns those of the path.
_OTHER_META = ("QUERY_STRING", "CONTENT_TYPE", "REMOTE_ADDR", "REQUEST_METHOD")
# Headers that are lists of values; code may quote a single one.
_LISTS = frozenset({"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_TRACESTATE", "HTTP_BAGGAGE", "HTTP_COOKIE"})
_HARMLESS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "application/json"})
_PIECES = re.compile(r"[\s\"'<>,;&=(){}\[\]]+")
_SHORTEST = 4  # shorter values are words like "id"; removing them would make the text unreadable
_MOST = 1024
_MAX_BODY = 65536
_MAX_VALUE = 4096
# Of all values together.
_MAX_CHARACTERS = 131072
# What is looked at beyond the end of the kept text, for a value that crosses it.
MARGIN = 1024
# Comparisons for one text.
_MOST_WORK = 6000
_NONE: tuple[list[int], list[str], int] = ([], [], 0)
# Where a value may begin: after anything but a word, or after an escape such as \\n in a repr().
_STARTS = re.compile(r"(?:(?<!\w)|(?<=\\[nrtbfv]))(?=\S)")
_FIRST = re.compile(r"\w+|\W")
_WORD_GOES_ON = re.compile(r"\w")
_ESCAPED = re.compile(r"[\\'\"\x00-\x1f]")


class _Recorded:
    """A request's body stream that records the first bytes read from it.

    After a parser has read the stream (as those of Django REST framework do), the body is no longer available.
    """

    __slots__ = ("_stream", "recorded")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.recorded = b""

    def read(self, *size: Any) -> bytes:
        return self._keep(self._stream.read(*size))

    def readline(self, *size: Any) -> bytes:
        return self._keep(self._stream.readline(*size))

    def _keep(self, data: bytes) -> bytes:
        if len(self.recorded) < _MAX_BODY:
            self.recorded += data[:_MAX_BODY]
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def record_body(request: HttpRequest) -> None:
    """Record up to 64 KiB of what is read from the request's body, until the request ends."""
    stream = request.__dict__.get("_stream")
    if stream is not None:
        request.__dict__["_stream"] = _Recorded(stream)


def of_request(request: HttpRequest) -> tuple[object, Iterator[str]]:
    """Values from query, path, headers, cookies, and the part of the body that the view has read.

    The first element of the result changes when there are more values than before.
    """
    known = request.__dict__
    stream = known.get("_stream")
    recorded = len(stream.recorded) if isinstance(stream, _Recorded) else 0
    return ("_post" in known, "_body" in known, recorded, request.resolver_match is not None), _of_request(request)


def _of_request(request: HttpRequest) -> Iterator[str]:
    yield from _of_query(request)
    match = request.resolver_match
    if match is not None:
        yield from (value for value in (*match.args, *match.kwargs.values()) if isinstance(value, str))
    yield from foreign_segments(request.path_info, getattr(request, "urlconf", None))
    yield from _of_meta(request.META)
    yield from request.COOKIES.values()
    yield from _of_read_body(request)


def _of_query(request: HttpRequest) -> Iterator[str]:
    parsed: Any = request.__dict__.get("GET")
    if parsed is not None:
        for name, values in parsed.lists():
            yield name
            yield from values
    # Not request.GET, which raises for what a client can send, and reads all of it.
    raw = str(request.META.get("QUERY_STRING") or "")[:_MAX_BODY]
    text = raw.encode("latin-1", "replace").decode("utf-8", "replace")  # WSGI decodes bytes as Latin-1
    for pair in text.split("&", _MOST)[:_MOST]:
        for part in pair.split("=", 1):
            yield unquote_plus(part)


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
    # The raw values, in addition to those that GET has parsed.
    yield from _PIECES.split(str(meta.get("QUERY_STRING") or "")[:_MAX_BODY])


def _of_read_body(request: HttpRequest) -> Iterator[str]:
    # Never the properties: reading them now would consume a body that the view has not read.
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
    elif isinstance(stream, _Recorded):
        yield from of_body(stream.recorded)


def _is_own(name: str, value: Any) -> bool:
    return name in _OWN and isinstance(value, str) and _OWN[name](value)


def _of_header(name: str, value: str) -> Iterator[str]:
    """The parts of a header that code may quote separately."""
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
    """All texts and numbers of a JSON document; otherwise the words of the body, both raw and decoded."""
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
    """The names and values of gRPC metadata or of a message's headers, including binary ones."""
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


def _forms(value: str) -> Iterator[str]:
    """``value``, and what repr() and JSON make of it, alone or inside a longer text."""
    yield value
    if value.isascii() and value.isprintable() and not _ESCAPED.search(value):
        return
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield repr(value.encode("utf-8", "surrogatepass"))[2:-1]
    if _ESCAPED.search(value):
        yield json.dumps(value, ensure_ascii=False)[1:-1]
        yield value.replace("\\", "\\\\").replace("'", "\\'")


class ClientValues:
    """Finds client-supplied values in texts, in one pass over each text and with bounded work.

    A value counts where it stands as a whole, not as a part of a longer word. When the bound is reached, which takes a
    text and values made for this, the rest of the text is removed.
    """

    __slots__ = ("_complete", "_values", "_within")

    def __init__(self, values: Iterator[str]) -> None:
        # Each form, and whether it is only the beginning of its value.
        self._values: dict[str, bool] = {}
        self._complete = True
        try:
            self._read(values)
        except Exception:
            self._complete = False
            internal_error("errors", "the client's values")
        # The forms that begin with the same word or character, and their lengths, longest first.
        self._within: dict[str, tuple[list[int], list[str], int]] = {}
        forms: dict[str, list[str]] = {}
        for form in self._values:
            forms.setdefault(_FIRST.match(form).group(), []).append(form)  # type: ignore[union-attr]
        for first, found in forms.items():
            lengths = sorted({len(form) for form in found}, reverse=True)
            self._within[first] = (lengths, found, sum(1 + length // 256 for length in lengths))

    def _read(self, values: Iterator[str]) -> None:
        seen: set[str] = set()
        characters = 0
        for value in values:
            stripped = value[:_MAX_VALUE].strip()
            if len(stripped) < _SHORTEST or stripped in seen:
                continue
            seen.add(stripped)
            characters += len(stripped)
            for form in _forms(stripped):
                self._values[form] = len(value) > _MAX_VALUE
            if len(seen) >= _MOST or characters > _MAX_CHARACTERS:
                break

    def removed(self, text: str, limit: int, instead: str) -> str:
        """``text`` with ``instead`` for each value; of a longer text, somewhat more than ``limit`` characters."""
        if not self._complete:
            return instead  # a value that could not be read might be anywhere
        if cut := len(text) > limit + MARGIN:
            text = text[: limit + MARGIN]
        kept: list[str] = []
        done = work = 0
        for found in _STARTS.finditer(text) if self._values else ():
            at = found.start()
            if at < done:
                continue
            first = _FIRST.match(text, at).group()  # type: ignore[union-attr]
            lengths, forms, cost = self._within.get(first, _NONE)
            work += cost
            if work > _MOST_WORK:
                return "".join((*kept, text[done:at], instead))
            end = self._end(text, at, lengths)
            if end is None and cut:
                rest = text[at:]
                if len(first) == len(rest):  # the last word may be cut
                    end = len(text) if any(form.startswith(rest) for form in self._values) else None
                elif lengths and lengths[0] > len(rest):
                    work += len(forms)
                    end = len(text) if any(form.startswith(rest) for form in forms) else None
            if end is not None:
                kept += (text[done:at], instead)
                done = end
        return "".join((*kept, text[done:], "…" if cut else ""))

    def _end(self, text: str, at: int, lengths: list[int]) -> int | None:
        """The end of the longest value that begins at ``at``."""
        for length in lengths:
            end = at + length
            beginning = self._values.get(text[at:end])
            if beginning:
                return len(text)  # how far the value continues is unknown
            if beginning is not None and not _WORD_GOES_ON.match(text, end):
                return end
        return None
