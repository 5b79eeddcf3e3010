"""The client's address behind proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from contracts.api import clients
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def address(peer: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return str(clients.address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer), PROXIES))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "1.1.1.1", "203.0.113.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str | None, expected: str) -> None:
    assert address(peer, forwarded) == expected


@given(st.text())
def test_any_header_gives_an_address(forwarded: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert clients.address(request, PROXIES) is not None


def test_a_subscriber_of_ipv6_is_one_network() -> None:
    first, second, other = (ip_address(text) for text in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"))
    assert clients.network(first) == clients.network(second) != clients.network(other)
    assert clients.network(ip_address("203.0.113.7")) == "203.0.113.7"
    assert clients.network(None) == "unknown"
