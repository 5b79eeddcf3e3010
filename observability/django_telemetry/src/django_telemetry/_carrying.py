"""Threads and pool tasks that a unit of work starts belong to it, without a word from who starts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ._work import current_work

T = TypeVar("T")

_start = threading.Thread.start
_submit = ThreadPoolExecutor.submit


def install() -> None:
    """Let threads and pool tasks take over the work in hand. A second call does nothing.

    Daemon threads don't: they outlive who starts them, as the maintenance threads of a connection pool do that happens
    to open in a request, and what they say years later would carry its ids. `context.carry()` binds those that belong.
    """
    threading.Thread.start = start  # type: ignore[assignment, method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[assignment, method-assign]


def start(thread: threading.Thread) -> None:
    """Thread.start(), with the work in hand as that of the thread."""
    if not thread.daemon and current_work() is not None:
        context, run = otel_context.get_current(), thread.run

        def carried() -> None:
            # The thread would refer to itself by its own attribute, and stay until the collector finds the cycle.
            thread.__dict__.pop("run", None)
            _within(context, run)

        thread.run = carried  # type: ignore[method-assign]
    _start(thread)


def submit(pool: ThreadPoolExecutor, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
    """ThreadPoolExecutor.submit(), with the work in hand as that of the task."""
    if current_work() is None:
        return _submit(pool, function, *args, **kwargs)
    context = otel_context.get_current()
    # A thread that the pool starts for this task does others later: it belongs to nobody.
    token = otel_context.attach(Context())
    try:
        return _submit(pool, _within, context, function, *args, **kwargs)
    finally:
        otel_context.detach(token)


def _within(context: Context, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    token = otel_context.attach(context)
    try:
        return function(*args, **kwargs)
    finally:
        otel_context.detach(token)
