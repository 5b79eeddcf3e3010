"""Requests that a web page may have sent are refused."""

from __future__ import annotations

import pytest
from platform_settings.hosts import refusal


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9095", "localhost", "LOCALHOST:1", "watchdog:9095", "[::1]:9095", "10.0.0.7"]
)
def test_addresses_and_names_without_a_dot_are_served(host: str) -> None:
    assert refusal({"Host": host}) is None
    assert refusal({"Host": host, "Origin": f"http://{host}"}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9095", "127.0.0.1.evil.example", "evil.example.", "", "["]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert refusal({"Host": host}) is not None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1", ""])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    assert refusal({"Host": "127.0.0.1:9095", "Origin": origin}) is not None


def test_a_configured_host_is_served() -> None:
    assert refusal({"Host": "watchdog.example:9095"}, {"watchdog.example"}) is None
