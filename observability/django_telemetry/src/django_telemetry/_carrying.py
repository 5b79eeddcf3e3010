"""Propagates the current unit of work to the threads and pool tasks that it starts.

opentelemetry-instrumentation-threading patches the same methods, with three differences for which this module exists:

- It also propagates to daemon threads. Those outlive the request (a connection pool's maintenance threads, for
  example) and would write its ids into their logs and spans for as long as the process lives.
- A pool's worker thread keeps the context of the task that first started it. Here it has no context between tasks.
- It wraps ``Thread.run``, so a subclass with a ``run()`` of its own loses the context. Here the instance is wrapped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ._work import current_work
from .errors import capture_exception

T = TypeVar("T")

_start = threading.Thread.start
_submit = ThreadPoolExecutor.submit


def install() -> None:
    """Patch Thread.start() and ThreadPoolExecutor.submit(). A second call does nothing.

    Daemon threads are not patched; use ``context.carry()`` for one that belongs to the unit of work.
    """
    threading.Thread.start = start  # type: ignore[assignment, method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[assignment, method-assign]


def start(thread: threading.Thread) -> None:
    """Thread.start(), in the current unit of work."""
    if not thread.daemon and current_work() is not None:
        context, run = otel_context.get_current(), thread.run

        def carried() -> None:
            # Break the reference cycle between the thread and its run attribute, so that it is freed at once.
            thread.__dict__.pop("run", None)
            within(context, _reported, run)

        thread.run = carried  # type: ignore[method-assign]
    _start(thread)


def submit(pool: ThreadPoolExecutor, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
    """ThreadPoolExecutor.submit(), in the current unit of work."""
    if current_work() is None:
        return _submit(pool, function, *args, **kwargs)
    context = otel_context.get_current()
    # A thread that the pool starts for this task runs others later, so it must not inherit this context.
    token = otel_context.attach(Context())
    try:
        return _submit(pool, within, context, function, *args, **kwargs)
    finally:
        otel_context.detach(token)


def _reported(run: Callable[[], None]) -> None:
    """Call ``run``; report its exception here, since threading's hook runs outside of the unit of work."""
    try:
        run()
    except Exception as exc:
        capture_exception(exc)
        raise


def within(context: Context, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call ``function`` in ``context``."""
    token = otel_context.attach(context)
    try:
        return function(*args, **kwargs)
    finally:
        otel_context.detach(token)
