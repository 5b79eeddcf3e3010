"""A small Django program that tests run in its own process: exit, forks, a blocked stdout."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import django
from django.conf import settings


def configure(**changes: Any) -> None:
    """Configure settings like those of a new project with the library installed, with ``changes``."""
    own: dict[str, Any] = {
        "SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789",
        "ALLOWED_HOSTS": ["testserver", "127.0.0.1"],
        "ROOT_URLCONF": "tests.urls",
        "INSTALLED_APPS": ["django_telemetry"],
        "MIDDLEWARE": ["django_telemetry.middleware.TelemetryMiddleware"],
        "LOGGING_CONFIG": "django_telemetry.logs.configure",
        "DATABASES": {"default": {"ENGINE": "django_prometheus.db.backends.sqlite3", "NAME": ":memory:"}},
    }
    settings.configure(**(own | changes))
    django.setup()


def requests(count: int) -> list[float]:
    """Serve ``count`` requests and return the duration of each in seconds."""
    from django.test import Client

    client = Client()
    took = []
    for _ in range(count):
        start = time.perf_counter()
        client.get("/ok")
        took.append(time.perf_counter() - start)
    return took


def failing_requests(count: int) -> None:
    """Serve ``count`` requests whose view fails."""
    from django.test import Client

    for _ in range(count):
        Client(raise_request_exception=False).get("/boom")


def requests_under_asgi(count: int) -> list[float]:
    """Like requests(), with the asynchronous handler, ten at a time."""
    from django.test import AsyncClient

    async def one() -> float:
        start = time.perf_counter()
        await AsyncClient().get("/async")
        return time.perf_counter() - start

    async def all_of_them() -> list[float]:
        took: list[float] = []
        for _ in range(count // 10):
            took += await asyncio.gather(*(one() for _ in range(10)))
        return took

    return asyncio.run(all_of_them())


def counts() -> dict[str, Any]:
    from django_telemetry.accounting import account

    return {
        signal: {
            "made": account(signal).made,
            "delivered": account(signal).delivered,
            "lost": account(signal).lost,
            "waiting": account(signal).waiting(),
        }
        for signal in ("traces", "logs", "errors")
    }


def report(**values: Any) -> None:
    """Report values to the test through a pipe other than stdout."""
    os.write(int(os.environ["REPORT_FD"]), json.dumps(values).encode() + b"\n")


def serve_and_exit() -> None:
    requests(50)
    report(at=time.time())


def fail_and_exit() -> None:
    failing_requests(1)
    report(at=time.time())


def block() -> None:
    took = requests(3000)
    report(slowest=max(took), counts=counts(), at=time.time())


def block_under_asgi() -> None:
    # Two lines each: the view's and the access line.
    took = requests_under_asgi(1500)
    report(slowest=max(took), counts=counts(), at=time.time())


def settle() -> None:
    """Wait at most 10 seconds until all queues are empty."""
    deadline = time.monotonic() + 10
    while any(signal["waiting"] for signal in counts().values()) and time.monotonic() < deadline:
        time.sleep(0.01)


def fork() -> None:
    requests(5)
    failing_requests(2)
    # Python 3.12 and later warn about forking with running threads, which is what this tests.
    warnings.simplefilter("ignore", DeprecationWarning)
    pid = os.fork()
    if pid == 0:
        requests(7)
        failing_requests(1)
        settle()
        report(who="child", counts=counts())
        os._exit(0)
    os.waitpid(pid, 0)
    requests(3)
    settle()
    report(who="parent", counts=counts())


def work(count: int) -> None:
    """Create all signals without Django's request handling, which has its own locks that a fork may copy locked."""
    from django_telemetry.context import unit_of_work
    from django_telemetry.edges import timed_call

    logger = logging.getLogger("work")
    for _ in range(count):
        with unit_of_work("work"), timed_call("somewhere", "http", "something"):
            logger.info("working")


def one_job(_number: int = 0) -> None:
    """A job that creates a span, a log line and an error report."""
    work(1)
    logging.getLogger("work").error("failed on purpose")


def _run_in_process() -> None:
    child = multiprocessing.get_context("fork").Process(target=one_job)
    child.start()
    child.join()


def _run_in_pool() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:  # its end stops the children with SIGTERM
        pool.map(one_job, range(1))


def _run_in_executor() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(one_job).result()


def _run_in_fork() -> None:
    child = os.fork()
    if child == 0:
        one_job()
        os._exit(0)
    os.waitpid(child, 0)


def _run_in_stopped_fork() -> None:
    child = os.fork()
    if child == 0:
        one_job()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)  # the signal ends this
    os.waitpid(child, 0)


def _run_in_raising_fork() -> None:
    child = os.fork()
    if child == 0:
        one_job()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)  # as uvicorn does once it has shut down
    os.waitpid(child, 0)


def run_in_child() -> None:
    """Run a job in a child process, in the way that the argument names."""
    one_job()  # all threads of telemetry exist before the fork
    settle()
    warnings.simplefilter("ignore", DeprecationWarning)
    globals()[f"_run_in_{sys.argv[2]}"]()
    report(done=True)


def wait_for_a_signal() -> None:
    """Run a job, then do nothing until a signal ends the process."""
    one_job()
    report(at=time.time())
    time.sleep(60)


def exit_while_locked() -> None:
    """Call os._exit() in a signal handler that interrupts the main thread while it holds a lock of telemetry."""
    from django_telemetry import logs

    def leave(*_: Any) -> None:
        os._exit(7)

    one_job()
    signal.signal(signal.SIGUSR1, leave)
    with logs.writer()._lock:
        report(at=time.time())
        signal.raise_signal(signal.SIGUSR1)


def fork_while_locked() -> None:
    """Fork at the worst moment: while another thread holds every lock of telemetry."""
    from django.test import Client
    from django_telemetry import logs
    from django_telemetry._http_metrics import http_metrics
    from django_telemetry.edges import _durations
    from django_telemetry.pipeline import SpanPipeline
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from prometheus_client import REGISTRY, generate_latest

    work(1)
    Client().get("/ok")
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    (pipeline,) = provider._active_span_processor._span_processors
    assert isinstance(pipeline, SpanPipeline)
    edge = _durations[("somewhere", "http", "something", "ok")]
    locks = [
        pipeline._lock,
        logs.writer()._lock,
        REGISTRY._lock,
        edge._sum._lock,
        *(bucket._lock for bucket in edge._buckets),
        http_metrics()._lock,
        *(tally.lock for tally in http_metrics()._tallies.values()),
    ]
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            release.wait(30)

    threading.Thread(target=hold, daemon=True).start()
    held.wait(10)
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(10, exit=True)  # shows where it hangs
        work(3)
        Client().get("/ok")
        generate_latest(REGISTRY)
        written = logs.writer().flush(5)
        os._exit(0 if written else 2)
    _, status = os.waitpid(pid, 0)
    release.set()
    report(status=status)


if __name__ == "__main__":
    configure()
    globals()[sys.argv[1]]()
