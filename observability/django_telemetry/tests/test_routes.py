"""Of a path, only what is literal in a route is shown: the rest may be anything that a client sent."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import clear_url_caches, path, re_path
from django_telemetry import _url
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import Everything
from .statements import GENERATED, SECRET


def _view(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    if request.path.endswith("/boom"):
        raise RuntimeError("it failed")
    return HttpResponse("ok")


def _urlconf(*patterns: Any) -> str:
    module = ModuleType("tests.generated_urls")
    vars(module)["urlpatterns"] = list(patterns)
    sys.modules[module.__name__] = module
    clear_url_caches()
    _url._vocabulary.cache_clear()
    _url._masked.known.clear()
    return module.__name__


CATCH_ALL = [
    r"^.*$",
    r"^(?:.*)/?$",
    r"^reset/",
    r"^(?:[\w.@+-]+)/orders",
    r"^[^/]+(?:/[^/]+)*$",
    r"",
    r"^hunter2?planted|^.+",
    r"^(?P<kept>.+)$",
    r"^(?:hunter\dplanted|.*)$",
]


@pytest.mark.parametrize("expression", CATCH_ALL)
def test_routes_that_match_anything_show_only_their_words(everything: Everything, expression: str) -> None:
    client = Client(raise_request_exception=False)
    with override_settings(ROOT_URLCONF=_urlconf(re_path(expression, _view))):
        for sent in (
            f"/users/{SECRET}/orders",
            f"/reset/{SECRET}",
            f"/{SECRET}@example.com",
            f"/{SECRET}/boom",
            f"/{SECRET}",
        ):
            client.get(sent)
    everything.check(SECRET)


@pytest.mark.parametrize(
    ("pattern", "sent", "shown"),
    [
        (re_path(r"^orders/(?:\d+)/items$", _view), "/orders/7/items", "/orders/7/items"),
        (re_path(r"^reset/", _view), "/reset/abc-def", "/reset/*"),
        (re_path(r"^(?:en|de)/shop\.html$", _view), "/de/shop.html", "/de/shop.html"),
        (re_path(r"^colou?r/x$", _view), "/color/x", "/*/x"),
        (path("a/<str:token>/b", _view), "/a/token/b", "/a/*/b"),
        (path("a/<str:token>/b", _view), "/a/str/b", "/a/*/b"),
        (path("orders/", _view), "/orders/", "/orders/"),
    ],
)
def test_what_is_shown_of_a_path(pattern: Any, sent: str, shown: str) -> None:
    assert _url.safe_path(sent, _urlconf(pattern)) == shown


_WORDS = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
_VARIABLE = st.sampled_from(
    [
        r"[^/]+",
        r"(?:[\w.@+-]+)",
        r"(?P<name>[^/]+)",
        r"(?:[^/]*)",
        r"([a-z0-9]+)",
        r".+",
        r"\w{3,40}",
        r"hunter\d?planted",
    ]
)


@settings(GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), _WORDS, _VARIABLE), min_size=1, max_size=5), st.booleans())
def test_planted_parts_of_a_path_are_masked(parts: list[tuple[bool, str, str]], anchored: bool) -> None:
    variables = iter(range(len(parts)))
    route = "/".join(
        word if fixed else re.sub("name", f"name{next(variables)}", variable) for fixed, word, variable in parts
    )
    sent = "/" + "/".join(word if fixed else SECRET for fixed, word, _ in parts)
    shown = _url.safe_path(sent, _urlconf(re_path(f"^{route}{'$' if anchored else ''}", _view)))
    assert shown == "/" + "/".join(word if fixed else "*" for fixed, word, _ in parts)
