"""The parts of a request's URL and host that telemetry may show: structure, never client-supplied values."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import LocalePrefixPattern, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern
from django.utils import translation
from django.utils.functional import Promise

from ._cache import sized_cache

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d{1,10}\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]*\Z", re.ASCII)

HIDDEN = "*"
_MAX_SEGMENTS = 16


@lru_cache(maxsize=8)
def _vocabulary(urlconf: str) -> frozenset[str]:
    """The fixed words of all routes in all languages, the only segments that are certainly not client-supplied."""
    words: set[str] = set()

    def visit(patterns: list[URLPattern | URLResolver]) -> None:
        for entry in patterns:
            literal = _of_expression if isinstance(entry.pattern, RegexPattern) else _of_route
            for text in _texts(entry.pattern):
                words.update(segment for segment in literal(text) if _WORD.match(segment))
            if isinstance(entry, URLResolver):
                visit(entry.url_patterns)

    visit(get_resolver(urlconf).url_patterns)
    return frozenset(words)


def _of_route(route: str) -> list[str]:
    """The segments of a path() route that contain no converter."""
    return [segment for segment in route.split("/") if "<" not in segment]


# What separates words in a regular expression, what stands for other characters, and literal characters.
_EXPRESSION = re.compile(
    r"(?P<separator>/|[\^$|)]|\\[AZbB]|\(\?P<\w+>|\(\?P=\w+\)|\(\?(?:[:=!>]|<[=!]|[a-zA-Z-]+[:)])|\()"
    r"|(?P<literal>\\[^A-Za-z0-9]|[^\\\[.*+?{])|(?P<other>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[\d,]*\}|.)",
    re.DOTALL,
)


def _of_expression(expression: str) -> list[str]:
    """The words of a re_path() route that are literal from one separator to the next."""
    words: list[str] = []
    word: str | None = ""
    for token in _EXPRESSION.finditer(expression):
        if token.lastgroup == "separator":
            words.append(word or "")
            word = ""
        elif token.lastgroup == "other":
            word = None  # also a repetition: it makes the character before it optional
        elif word is not None:
            word += token.group()[-1]
    return [*words, word or ""]


def _texts(pattern: Any) -> set[str]:
    """The route of ``pattern`` in every language that it depends on."""
    translated = isinstance(pattern, LocalePrefixPattern) or any(
        isinstance(getattr(pattern, name, None), Promise) for name in ("_route", "_regex")
    )
    if not translated:
        return {str(pattern)}
    texts = set()
    for code, _ in settings.LANGUAGES:
        with translation.override(code):
            texts.add(str(pattern))
    return texts


def safe_path(path: str, urlconf: str | None = None) -> str:
    """``path`` with every segment masked that is neither a word of a route, nor a UUID, nor a short number.

    A path can contain a password-reset token or any other client input. Ids stay: the on-call engineer needs them.
    While the URLconf can't be imported, no word is known.
    """
    try:
        return _masked(path, urlconf or settings.ROOT_URLCONF)
    except Exception:  # Django reports it
        return _mask(path, frozenset())


@sized_cache
def _masked(path: str, urlconf: str) -> str:
    return _mask(path, _vocabulary(urlconf))


def _mask(path: str, words: frozenset[str]) -> str:
    segments = path.split("/", _MAX_SEGMENTS)
    return "/".join(
        segment if not segment or segment in words or _UUID.match(segment) or _NUMBER.match(segment) else HIDDEN
        for segment in segments
    )


def foreign_segments(path: str, urlconf: str | None = None) -> list[str]:
    """The segments of ``path`` that safe_path() masks."""
    shown = safe_path(path, urlconf).split("/")
    return [own for own, safe in zip(path.split("/", _MAX_SEGMENTS), shown, strict=False) if safe == HIDDEN]


@sized_cache
def safe_host(host: str) -> tuple[str, int | None] | None:
    """(address, port) of a Host header that ALLOWED_HOSTS accepts; None for any other, which is never recorded."""
    domain, port = split_domain_port(host)
    allowed = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed:
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    if not domain or len(domain) > 255 or not validate_host(domain, allowed):
        return None
    return domain, int(port) if port and port.isdigit() and len(port) <= 5 else None
