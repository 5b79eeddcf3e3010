"""Control and bidirectional characters of others' texts are shown as escapes, in pages and in data for scripts."""

from __future__ import annotations

import gzip
import json

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from shell.middleware import PagesMiddleware
from shell.printable import gzipped

TEXTS = st.text(st.sampled_from('a\\u2"<\n\t\x00\x1b\x85\u061c\u200e\u2028\u202e\u2066e\u00e9'), max_size=30)
HIDDEN = {chr(code) for code in (0x00, 0x1B, 0x85, 0x061C, 0x200E, 0x2028, 0x202E, 0x2066)}


def through(response: HttpResponseBase) -> HttpResponseBase:
    """Return the response as the middleware passes it on."""
    return PagesMiddleware(lambda _request: response)(RequestFactory().get("/"))


def escaped(text: str) -> str:
    """Return the text with escapes in place of hidden characters."""
    return "".join(f"\\u{ord(character):04x}" if character in HIDDEN else character for character in text)


@given(TEXTS)
def test_a_page_shows_them_as_escapes(text: str) -> None:
    response = through(HttpResponse(f"<p>{text}</p>"))
    assert isinstance(response, HttpResponse)
    assert response.content.decode() == f"<p>{escaped(text)}</p>"


@given(TEXTS)
def test_a_script_gets_them_as_escapes(text: str) -> None:
    response = through(JsonResponse({"note": text}))
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content) == {"note": escaped(text)}


def test_a_compressed_document_has_them_as_escapes() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"note": "\u202e" + "x" * 1000})

    response = gzipped(view)(RequestFactory().get("/", headers={"accept-encoding": "gzip"}))
    assert isinstance(response, HttpResponse)
    assert json.loads(gzip.decompress(response.content))["note"].startswith("\\u202ex")


@pytest.mark.parametrize("path", ["/", "/dashboards/", "/traces", "/logs", "/services", "/runbooks", "/palette"])
def test_no_page_is_kept_by_the_browser(viewer_client: Client, path: str) -> None:
    response = viewer_client.get(path)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
