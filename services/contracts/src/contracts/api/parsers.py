"""Strict parsing of JSON bodies: bounded, UTF-8, no NaN, no lone surrogates, limited nesting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from contracts.api.problems import PayloadTooLarge

MAX_DEPTH = 32


class StrictJSONParser(BaseParser):
    """The only parser. Anything but application/json is answered 415 by REST framework."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read and decode the body. ParseError (400) when malformed, PayloadTooLarge (413) when over the limit."""
        request = (parser_context or {}).get("request")
        declared = request.META.get("CONTENT_LENGTH") if request is not None else None
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(f"The request body is over {limit} bytes.")
        if declared and len(body) != int(declared):
            # The received part may be valid JSON, but it isn't the complete body.
            raise ParseError("The body ended before its Content-Length.")
        try:
            data = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
            _check(data)
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except RecursionError:
            raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {_position(error)}") from None
        return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return data


def _position(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)[:100]


def _check(value: Any, depth: int = 0) -> None:
    """Reject input on which PostgreSQL or the response encoder would fail later: lone surrogates, deep nesting."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a string holds a lone surrogate") from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
