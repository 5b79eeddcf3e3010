"""A backend that fails costs its panel a note."""

from __future__ import annotations

import pytest
from backends.errors import BackendDown, BackendRejected
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory
from shell.fragments import fragment


def ask(error: Exception | None) -> HttpResponseBase:
    """What a fragment answers whose backend raises `error`."""

    @fragment("the <b>rates</b>")
    def view(request: HttpRequest) -> HttpResponse:
        if error is not None:
            raise error
        return HttpResponse("fine")

    request = RequestFactory().get("/part?x=1&y=2")
    request.user = AnonymousUser()
    return view(request)


def test_a_backend_that_is_down_is_named_with_a_way_to_try_again() -> None:
    answer = ask(BackendDown("prometheus", "no answer within <5> s"))
    assert isinstance(answer, HttpResponse)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-backend-down="prometheus"' in html
    assert "No the &lt;b&gt;rates&lt;/b&gt;: prometheus doesn&#x27;t answer" in html or "doesn't answer" in html
    assert "no answer within &lt;5&gt; s" in html
    assert 'hx-get="/part?x=1&amp;y=2"' in html


def test_a_backend_that_refuses_is_quoted() -> None:
    answer = ask(BackendRejected("prometheus", "parse error at char 3"))
    assert isinstance(answer, HttpResponse)
    assert "refused the question" in answer.content.decode()
    assert "parse error at char 3" in answer.content.decode()


def test_a_fragment_that_works_is_not_kept_by_the_browser() -> None:
    answer = ask(None)
    assert isinstance(answer, HttpResponse)
    assert answer.content == b"fine"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_fault_of_our_own_is_not_called_a_backends() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(ZeroDivisionError())
