"""Views that emit telemetry in every way, for tests/test_correlation.py."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django_telemetry import errors
from django_telemetry.context import carry

logger = logging.getLogger("tests.correlation")


def speak() -> None:
    """Emit telemetry in every way, in this thread and in a new one."""

    def inside(where: str) -> None:
        logger.info("said in the %s", where)
        errors.capture_exception(LookupError(f"reported in the {where}"))

    inside("work")
    thread = threading.Thread(target=carry(inside), args=("thread",))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(carry(inside), "pool").result()


SAID = ("work", "thread", "pool")


def view(request: HttpRequest) -> HttpResponse:
    speak()
    return HttpResponse()


async def async_view(request: HttpRequest) -> HttpResponse:
    await asyncio.gather(asyncio.create_task(sync_to_async(speak)()))
    return HttpResponse()


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"one"
        speak()

    return StreamingHttpResponse(body())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> Any:
        yield b"one"
        await sync_to_async(speak)()

    return StreamingHttpResponse(body())


urlpatterns = [
    path("view", view),
    path("async-view", async_view),
    path("stream", stream),
    path("async-stream", async_stream),
]
