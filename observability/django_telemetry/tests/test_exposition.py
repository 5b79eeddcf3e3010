"""The metrics port."""

from __future__ import annotations

import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from django_telemetry.exposition import MetricsServer
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from .harness import free_port

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1", free_port(), REGISTRY)
    made.start()
    assert made.wait_until_serving(5)
    yield made
    made.close()


def _get(server: MetricsServer, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_page_is_valid_openmetrics_and_has_process_metrics(server: MetricsServer) -> None:
    status, content_type, body = _get(server, Accept=OPENMETRICS)
    assert status == 200
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in text_string_to_metric_families(body)}
    assert {"process_resident_memory_bytes", "python_gc_collections", "dependency_call_duration_seconds"} <= names


def test_only_metrics_are_served(server: MetricsServer) -> None:
    assert _get(server, "/")[0] == 404
    assert _get(server, "/metrics/../admin")[0] == 404


def test_a_bearer_token_is_required_when_set() -> None:
    server = MetricsServer("127.0.0.1", free_port(), REGISTRY, "scrape-secret")
    server.start()
    assert server.wait_until_serving(5)
    assert _get(server)[0] == 401
    assert _get(server, Authorization="Bearer wrong")[0] == 401
    assert _get(server, Authorization="Bearer scrape-secret")[0] == 200
    server.close()


def test_the_server_waits_for_a_port_in_use() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = MetricsServer("127.0.0.1", holder.getsockname()[1], REGISTRY)
        server.start()
        assert not server.wait_until_serving(0.3)
    assert server.wait_until_serving(5), "the port was free again and not taken"
    server.close()


def test_a_client_that_sends_nothing_does_not_block_the_others(server: MetricsServer) -> None:
    assert server.port is not None
    with socket.create_connection(("127.0.0.1", server.port)):
        start = time.monotonic()
        assert _get(server)[0] == 200
        assert time.monotonic() - start < 2


def test_a_scraper_that_disconnects_causes_no_stack_trace(
    server: MetricsServer, capfd: pytest.CaptureFixture[str]
) -> None:
    assert server.port is not None
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert _get(server)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_the_metrics_port_may_have_an_ipv6_address() -> None:
    server = MetricsServer("::1", free_port(), REGISTRY)
    server.start()
    try:
        assert server.wait_until_serving(10)
        with urllib.request.urlopen(f"http://[::1]:{server.port}/metrics", timeout=10) as response:
            assert response.status == 200
    finally:
        server.close()
