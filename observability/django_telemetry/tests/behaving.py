"""A URLconf whose one view does what a test sets, and that has translated routes."""

from __future__ import annotations

from collections.abc import Callable

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.functional import lazystr

Behaviour = Callable[[HttpRequest], HttpResponseBase]

behaviour: Behaviour = lambda _request: HttpResponse("ok")  # noqa: E731


def behave(request: HttpRequest) -> HttpResponseBase:
    return behaviour(request)


urlpatterns = [
    path("behave", behave, name="behave"),
    *i18n_patterns(path(lazystr("orders/"), behave, name="orders")),
]
