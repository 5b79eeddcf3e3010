"""Routes for every kind of response."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
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
    raise RuntimeError(f"boom for {request.GET.get('who', 'unknown')}")


async def async_boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("async boom")


def broken_stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"one "
        raise RuntimeError(f"broken off for {request.GET.get('who', 'unknown')}")

    return StreamingHttpResponse(body())


async def async_broken_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        raise RuntimeError(f"broken off for {request.GET.get('who', 'unknown')}")

    return StreamingHttpResponse(body())


def endless_stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        try:
            while True:
                yield b"more "
                time.sleep(0.01)
        finally:
            logger.info("stream cleans up")

    return StreamingHttpResponse(body())


async def async_endless_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more "
                await asyncio.sleep(0.01)
        finally:
            logger.info("stream cleans up")

    return StreamingHttpResponse(body())


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


def quoting(request: HttpRequest, **kept: Any) -> HttpResponse:
    """Fail and quote all client input: in the message, its cause, local variables and a log line."""
    if request.GET.get("read") == "stream":
        body = request.read()  # like the parsers of Django REST framework
        document = json.loads(body)
    elif request.content_type == "application/json":
        document = json.loads(request.body)
    else:
        document = {
            "form": request.POST.dict(),
            "files": [getattr(file, "name", "") for file in request.FILES.values()],
        }
    sent: list[Any] = [
        request.GET.dict(),
        request.META.get("QUERY_STRING"),
        request.path,
        document,
        request.COOKIES,
        *(value for name, value in request.META.items() if name.startswith("HTTP_")),
        request.META.get("CONTENT_TYPE"),
        request.method,
        kept,
    ]
    for value in sent:
        logger.error("could not use %s", value)
    try:
        raise LookupError(sent)
    except LookupError as exc:
        exc.add_note(f"while handling {sent}")
        raise RuntimeError(", ".join(map(str, sent))) from exc


def frozen(request: HttpRequest) -> HttpResponse:
    """The number of objects excluded from garbage collection."""
    return HttpResponse(str(gc.get_freeze_count()))


async def async_quoting(request: HttpRequest) -> HttpResponse:
    return quoting(request)


urlpatterns = [
    path("ok", ok, name="ok"),
    path("async", async_ok, name="async"),
    path("status/<int:code>", status, name="status"),
    path("boom", boom, name="boom"),
    path("async-boom", async_boom, name="async-boom"),
    path("broken-stream", broken_stream, name="broken-stream"),
    path("async-broken-stream", async_broken_stream, name="async-broken-stream"),
    path("endless-stream", endless_stream),
    path("async-endless-stream", async_endless_stream),
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
    path("quoting", quoting, name="quoting"),
    path("quoting/<str:kept>", quoting, name="quoting-path"),
    path("async-quoting", async_quoting, name="async-quoting"),
    path("frozen", frozen),
    path("unnamed", ok),
    path("speaking/", include("tests.speaking")),
    path("reset/<str:token>", ok, name="reset"),
    path("api/v1/", include(([path("orders/<uuid:order_id>", ok, name="order")], "api"))),
]
