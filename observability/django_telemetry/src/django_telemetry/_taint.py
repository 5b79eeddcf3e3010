"""What the other side sent, so that it can be taken out of exception texts again.

Code likes to quote its input (``invalid literal for int(): '…'``). No pattern knows what a client put there, but the
client's own values are at hand. They are looked at only once something has failed, so a good request pays nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest

from ._url import foreign_segments

# Checked before they are accepted, and shown anyway.
_OWN_HEADERS = frozenset({"HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_X_REQUEST_DEADLINE_MS"})
_SHORTEST = 4  # shorter values are words like "id", and taking them out would only spoil the text
_MOST = 256
_MAX_BODY = 65536
_MAX_VALUE = 4096


def of_request(request: HttpRequest) -> Iterator[str]:
    """Values from query, path, headers, cookies and the body as far as the view has read it."""
    yield from request.GET.keys()
    for _, values in request.GET.lists():
        yield from values
    match = request.resolver_match
    if match is not None:
        yield from (value for value in (*match.args, *match.kwargs.values()) if isinstance(value, str))
    yield from foreign_segments(request.path_info, getattr(request, "urlconf", None))
    for name, value in request.META.items():
        if name.startswith("HTTP_") and name not in _OWN_HEADERS and isinstance(value, str):
            yield value
            yield value.rpartition(" ")[2]  # the token after "Bearer"
    yield from request.COOKIES.values()
    # Never the properties: reading them now would consume a body that nobody has read.
    form: Any = request.__dict__.get("_post")
    if form is not None:
        for _, values in form.lists():
            yield from values
    body = request.__dict__.get("_body")
    if isinstance(body, bytes):
        yield from of_body(body)


def of_body(body: bytes) -> Iterator[str]:
    """All texts and long numbers in a JSON document; nothing when it is none."""
    if not body or len(body) > _MAX_BODY:
        return
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        yield body[:_MAX_VALUE].decode("utf-8", "replace")
        return
    yield from of_document(document)


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
    """All texts and numbers of a protobuf message."""
    fields = getattr(message, "ListFields", None)
    if fields is None or depth > 20:
        return
    for _, value in fields():
        for item in value if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") else (value,):
            if hasattr(item, "ListFields"):
                yield from of_message(item, depth + 1)
            else:
                yield item if isinstance(item, str) else str(item)


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
