"""What pages leave out by default: health checks, and the console's own traffic. One click shows it."""

from __future__ import annotations

import re

import catalogue

# The ends of the routes of health checks, and gRPC's service for them.
PROBE_ROUTES = ("livez", "readyz", "healthz")
_PROBE = re.compile(rf"(\b({'|'.join(PROBE_ROUTES)})/?$)|(^|[/ ])grpc\.health\.")


def is_probe(operation: str) -> bool:
    """Return whether a span's operation is a health check: `GET readyz`, `grpc.health.v1.Health/Watch`."""
    return _PROBE.search(operation) is not None


def observers() -> tuple[str, ...]:
    """Return the services that observe the platform: their requests are not those of customers."""
    return tuple(catalogue.load().for_operators())
