"""Fixtures shared by all tests of the library."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import pytest
import requests
import sentry_sdk
from django.test import AsyncClient, Client
from django_telemetry import breaker, errors, logs
from django_telemetry.conf import get_config

from .harness import Everything, HttpBackend, Lines, MemoryProcessor, tracing_with


@pytest.fixture(scope="session", autouse=True)
def _versions(record_testsuite_property: Any) -> None:
    """Record the tested versions in the JUnit result."""
    record_testsuite_property("python", platform.python_version())
    record_testsuite_property("django", django.get_version())


@pytest.fixture
def spans() -> Iterator[MemoryProcessor]:
    """A processor that collects every span in memory; all are sampled."""
    with tracing_with() as memory:
        yield memory


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The log lines that would be written to stdout."""
    collected = Lines()
    monkeypatch.setattr(logs, "_writer", collected)
    return collected


@pytest.fixture
def http(spans: MemoryProcessor, lines: Lines) -> Client:
    """A client whose requests pass through the middleware. Exceptions become a 500, as in production."""
    return Client(raise_request_exception=False)


@pytest.fixture
def ahttp(spans: MemoryProcessor, lines: Lines) -> AsyncClient:
    """Like http(), with the asynchronous handler."""
    return AsyncClient(raise_request_exception=False)


@pytest.fixture
def backend() -> Iterator[HttpBackend]:
    """A real HTTP server for the tests to call."""
    server = HttpBackend()
    yield server
    server.close()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses of the circuit breaker."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def everything(spans: MemoryProcessor, lines: Lines, backend: HttpBackend) -> Iterator[Everything]:
    """The output of all four signals, including error reports."""
    config = replace(get_config(), sentry_dsn=f"http://key@127.0.0.1:{backend.port}/1")
    transport = errors.configure(config)
    assert transport is not None
    yield Everything(spans, lines, backend, lambda: transport.flush(5))
    errors.disable()
    transport.close(1)
    sentry_sdk.get_global_scope().set_client(None)


def _needed(name: str, example: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        pytest.skip(f"{name} is not set (for example {example}); make test sets it")
    return value


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A virtual host of this run on a real broker. Skips when the variable is unset; fails when it is unreachable."""
    url = urlsplit(_needed("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/"))
    admin = _needed("TEST_RABBITMQ_ADMIN_URL", "http://guest:guest@127.0.0.1:15672").rstrip("/")
    name = f"test-{uuid.uuid4().hex[:12]}"
    address = f"{admin}/api/vhosts/{name}"
    requests.put(address, timeout=10).raise_for_status()
    try:
        permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        requests.put(f"{admin}/api/permissions/{name}/{url.username}", json=permissions, timeout=10).raise_for_status()
        yield urlunsplit((url.scheme, url.netloc, f"/{name}", "", ""))
    finally:
        requests.delete(address, timeout=10).raise_for_status()


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    """A real PostgreSQL. Skips when the variable is unset; fails when the database is unreachable."""
    return _needed("TEST_DATABASE_URL", "postgres://user:password@127.0.0.1:5432/name")
