"""Measures the CPU time per request of one variant in one process, with pyperf. Called by benchmarks/run.

CPU time is less sensitive to other processes than wall time. There are two clocks: `request` is the CPU time of the
thread that serves the request, `process` that of all threads, including those that encode and send telemetry.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable
from time import process_time, thread_time
from typing import Any

import pyperf

from benchmarks import processors
from benchmarks.project import prepare, settings_for

WARMUP = 300
CLOCKS = {"request": thread_time, "process": process_time}


def _environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/v1/things/3/",
        "RAW_URI": "/api/v1/things/3/?a=b",
        "QUERY_STRING": "a=b",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": "",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "bench/1.0",
        "HTTP_ACCEPT": "*/*",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _wsgi(clock: Callable[[], float]) -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    handler = WSGIHandler()

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        return None

    def run(loops: int) -> float:
        start = clock()
        for _ in range(loops):
            handler(_environ(), start_response).close()
        return clock() - start

    return run


def _asgi(clock: Callable[[], float]) -> Any:
    from django.core.handlers.asgi import ASGIHandler

    handler = ASGIHandler()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/async-things/3/",
        "raw_path": b"/api/v1/async-things/3/",
        "query_string": b"a=b",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*")],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 4000),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    loop = asyncio.new_event_loop()

    async def request() -> None:
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.sleep(3600)
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Any) -> None:
            return None

        await handler(dict(scope), receive, send)

    async def many(loops: int) -> None:
        for _ in range(loops):
            await request()

    def run(loops: int) -> float:
        start = clock()
        loop.run_until_complete(many(loops))
        return clock() - start

    return run


def _never_called(_loops: int) -> float:
    raise AssertionError("measuring happens in the workers")


def _hand_on(command: list[str], arguments: Any) -> None:
    """Pass this script's arguments to pyperf's worker processes."""
    for name in ("variant", "sampled", "interface", "clock", "sink"):
        command += [f"--{name}", getattr(arguments, name)]


def main() -> None:
    runner = pyperf.Runner(add_cmdline_args=_hand_on)
    runner.argparser.add_argument("--variant", required=True)
    runner.argparser.add_argument("--sampled", choices=("yes", "no"), required=True)
    runner.argparser.add_argument("--interface", choices=("wsgi", "asgi"), required=True)
    runner.argparser.add_argument("--clock", choices=CLOCKS, required=True)
    runner.argparser.add_argument("--sink", required=True)
    arguments = runner.parse_args()
    sampled = "sampled" if arguments.sampled == "yes" else "unsampled"
    name = f"{arguments.interface} {arguments.clock} {arguments.variant} {sampled}"
    if not arguments.worker:  # the parent only starts the workers
        runner.bench_time_func(name, _never_called)
        return
    processors.claim()
    prepare(arguments.variant, sampled=arguments.sampled == "yes", sink=arguments.sink)
    import django
    from django.conf import settings

    settings.configure(**settings_for(arguments.variant, "benchmarks.views"))
    # pyperf reads the worker's result from its own pipe; the log output of the variants is discarded.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    django.setup()
    serve = _wsgi if arguments.interface == "wsgi" else _asgi
    serve(thread_time)(WARMUP)
    runner.bench_time_func(name, serve(CLOCKS[arguments.clock]))


if __name__ == "__main__":
    main()
