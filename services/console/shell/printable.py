"""Control and bidirectional characters in responses: shown as escapes, so that no text hides or reorders another."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.gzip import gzip_page

# Control characters, line separators and what turns text around. Pages have none of their own.
_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# The same as JSON's escapes, after an even number of backslashes. \b, \f, \n, \r and \t have short forms.
_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\(u(?:00[01][0-9a-f]|00[789][0-9a-f]|061c|200[ef]|202[89a-e]|206[6-9]))")


def show_unprintable(response: HttpResponse) -> None:
    """Replace such characters in a page or a JSON document by their escapes."""
    content_type = response.get("Content-Type", "")
    if content_type.startswith("text/html"):
        text = response.content.decode(response.charset)
        if _IN_TEXT.search(text):
            response.content = _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    elif content_type.startswith("application/json") and _IN_JSON.search(response.content):
        response.content = _IN_JSON.sub(rb"\1\\\\\2", response.content)


def gzipped(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view whose response is compressed, with such characters replaced before."""

    @gzip_page
    @wraps(view)
    def replaced(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, HttpResponse):
            show_unprintable(response)
        return response

    return replaced
