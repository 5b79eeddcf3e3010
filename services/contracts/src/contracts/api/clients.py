"""Where a request comes from, for limits by network: the client's address behind trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from django.http import HttpRequest

from contracts.environment import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# A subscriber of IPv6 has a whole /64: a limit for one address of it would be none.
_IPV6_SUBSCRIBER = 64
# A longer list is not a path through proxies.
_MOST_PROXIES = 20


def address(request: HttpRequest, trusted_proxies: Sequence[Network]) -> Address | None:
    """Return the client's address: the last of X-Forwarded-For that no trusted proxy has; None if it has none.

    Without trusted proxies the header is ignored, as any client can send it.
    """
    found = _parsed(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-_MOST_PROXIES:]
    while found is not None and hops and within(found, trusted_proxies):
        before = _parsed(hops.pop())
        if before is None:
            break
        found = before
    return found


def network(client: Address | None) -> str:
    """Return the network that a client's limits apply to: its IPv4 address, or its IPv6 /64."""
    if client is None:
        return "unknown"
    if client.version == 4:
        return str(client)
    return str(ipaddress.ip_network((client, _IPV6_SUBSCRIBER), strict=False))


def within(client: Address, networks: Sequence[Network]) -> bool:
    """Return whether one of the networks contains the address."""
    return any(client.version == network.version and client in network for network in networks)


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
