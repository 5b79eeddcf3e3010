"""Which requests to an internal HTTP server may come from a web page: they name a foreign host or origin."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import urlsplit


class Headers(Protocol):
    """The headers of a request, by names in any case."""

    def get(self, name: str, /) -> Any:
        """Return the header's value; None without it."""


def refusal(headers: Headers, allowed: Collection[str] = ()) -> str | None:
    """Return why a request with these headers is refused; None if it isn't.

    A page in a browser reaches servers on loopback, by their own address or by a name of the page's domain that
    resolves to it (DNS rebinding). The page's name then is in `Host`, and its origin in `Origin`. Addresses and names
    without a dot (localhost, a container's) can't be such a name; `allowed` are further names.
    """
    host = headers.get("Host") or ""
    name = _name(f"//{host}")
    if name is None or not (_is_address(name) or "." not in name or name in allowed):
        return "this host isn't served here"
    origin = headers.get("Origin")
    if origin is not None and urlsplit(f"//{host}").netloc.lower() != origin.lower().partition("://")[2]:
        return "web pages may not send requests here"
    return None


def _name(url: str) -> str | None:
    try:
        return (urlsplit(url).hostname or "").rstrip(".") or None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
