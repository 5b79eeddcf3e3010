"""Caches are bounded by bytes, whatever clients and statements contain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django_telemetry import _cache, _url, db, encoding, redaction
from django_telemetry._cache import LIMIT, SizedCache, size_of
from django_telemetry.middleware import TelemetryMiddleware
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from .harness import Lines, MemoryProcessor


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(0, 3000)), max_size=50))
def test_a_cache_never_exceeds_its_limit(entries: list[tuple[str, int]]) -> None:
    cache: SizedCache[str, bytes] = SizedCache(limit=8000)
    for key, size in entries:
        value = bytes(size)
        assert cache.keep(key, value, size) is value
        assert sum(size_of(known) + len(value) for known, value in cache.items()) <= cache.bytes <= 8000


def _statements(number: int) -> None:
    db.describe(f"SELECT a{number} /* {'x' * 7000} */", "postgresql")


def _encode(number: int) -> None:
    encoding.encode_spans([ReadableSpan("n", None, attributes={f"k{number}" * 1500: f"v{number}" * 50})])
    encoding._attributes(b"", {f"k{number}" * 1500: f"v{number}" * 50})


FILLS: dict[str, tuple[Callable[[int], object], SizedCache[Any, Any]]] = {
    "statements": (_statements, db.describe.known),
    "paths": (lambda number: _url.safe_path(f"/{number}/" + "x" * 7000), _url._masked.known),
    "hosts": (lambda number: _url.safe_host(f"{number}." + "x" * 7000), _url.safe_host.known),
    "names": (lambda number: redaction.is_denied(f"{number}" + "x" * 7000), redaction.is_denied.known),
    "attributes": (_encode, encoding._attributes_cache),
    "attribute names": (_encode, encoding._keys_cache),
}


@pytest.mark.parametrize("fill", FILLS)
def test_what_clients_and_statements_choose_is_kept_within_a_mebibyte(fill: str) -> None:
    add, cache = FILLS[fill]
    cache.clear()
    for number in range(400):
        add(number)
    assert 0 < sum(size_of(key) + size_of(value) for key, value in cache.items()) <= LIMIT
    cache.clear()


def test_requests_for_invented_hosts_and_paths_leave_bounded_caches(spans: MemoryProcessor, lines: Lines) -> None:
    middleware = TelemetryMiddleware(lambda _: HttpResponse("ok"))
    for number in range(300):
        middleware(RequestFactory().get(f"/{number}/{'x' * 5000}", HTTP_HOST=f"h{number}.{'x' * 5000}"))
    for cache in (middleware._templates, middleware._access._kinds):
        assert 0 < cache.bytes <= LIMIT


def test_size_of_counts_nested_texts() -> None:
    assert size_of(("a" * 1000, {"b": "c" * 1000})) > 2000
    assert _cache.LIMIT == 1024 * 1024
