"""Every case of every rule."""

from __future__ import annotations

from cases import databases, edges, messaging, services, slo, telemetry, traffic

CASES = [
    *edges.CASES,
    *services.CASES,
    *messaging.CASES,
    *databases.CASES,
    *traffic.CASES,
    *slo.CASES,
    *telemetry.CASES,
]
