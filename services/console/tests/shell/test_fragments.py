"""A failing backend affects only its own panel."""

from __future__ import annotations

import pytest
from backends.errors import BackendDown, BackendRejected
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory
from shell.fragments import fragment


def ask(error: Exception | None) -> HttpResponseBase:
    """Return the response of a fragment whose backend raises `error`."""

    @fragment("the <b>rates</b>")
    def view(request: HttpRequest) -> HttpResponse:
        if error is not None:
            raise error
        return HttpResponse("fine")

    request = RequestFactory().get("/part?x=1&y=2")
    request.user = AnonymousUser()
    return view(request)


def test_an_unavailable_backend_is_named_with_a_retry_button() -> None:
    answer = ask(BackendDown("prometheus", "no answer within <5> s"))
    assert isinstance(answer, HttpResponse)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-backend-down="prometheus"' in html
    assert "No the &lt;b&gt;rates&lt;/b&gt;: prometheus doesn&#x27;t answer" in html or "doesn't answer" in html
    assert "no answer within &lt;5&gt; s" in html
    assert 'hx-get="/part?x=1&amp;y=2"' in html


def test_the_error_of_a_backend_that_rejects_is_quoted() -> None:
    answer = ask(BackendRejected("prometheus", "parse error at char 3"))
    assert isinstance(answer, HttpResponse)
    assert "refused the question" in answer.content.decode()
    assert "parse error at char 3" in answer.content.decode()


def test_a_successful_fragment_is_not_cached_by_the_browser() -> None:
    answer = ask(None)
    assert isinstance(answer, HttpResponse)
    assert answer.content == b"fine"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_bug_of_the_console_is_not_reported_as_a_backend_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(ZeroDivisionError())
