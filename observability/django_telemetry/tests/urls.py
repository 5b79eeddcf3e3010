"""Routes that show every kind of answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import include, path
from django_telemetry import context

logger = logging.getLogger("tests.views")


def ok(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse("ok")


async def async_ok(request: HttpRequest) -> HttpResponse:
    logger.info("in async view")
    return HttpResponse("ok")


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse("status", status=code)


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"boom for {request.GET.get('who', 'nobody')}")


async def async_boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("async boom")


def not_found(request: HttpRequest) -> HttpResponse:
    raise Http404("nothing here")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("odd")


def go(request: HttpRequest) -> HttpResponse:
    return redirect("/ok")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        logger.info("first part")
        yield b"one "
        yield b"two"

    return StreamingHttpResponse(body())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        logger.info("first part")
        yield b"one "
        yield b"two"

    return StreamingHttpResponse(body())


def ids(request: HttpRequest) -> JsonResponse:
    logger.info("in view", extra={"order.id": "o-1", "attempt": 3})
    return JsonResponse({"request_id": context.request_id(), "trace": context.trace_ids(), **context.carrier()})


def query(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM auth_user WHERE username = %s", ["someone"])
        cursor.fetchone()
    return HttpResponse("queried")


def page(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "page.html", {})


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


urlpatterns = [
    path("ok", ok, name="ok"),
    path("async", async_ok, name="async"),
    path("status/<int:code>", status, name="status"),
    path("boom", boom, name="boom"),
    path("async-boom", async_boom, name="async-boom"),
    path("not-found", not_found, name="not-found"),
    path("forbidden", forbidden, name="forbidden"),
    path("suspicious", suspicious, name="suspicious"),
    path("go", go, name="go"),
    path("stream", stream, name="stream"),
    path("async-stream", async_stream, name="async-stream"),
    path("ids", ids, name="ids"),
    path("query", query, name="query"),
    path("page", page, name="page"),
    path("echo", echo, name="echo"),
    path("unnamed", ok),
    path("reset/<str:token>", ok, name="reset"),
    path("api/v1/", include(([path("orders/<uuid:order_id>", ok, name="order")], "api"))),
]
