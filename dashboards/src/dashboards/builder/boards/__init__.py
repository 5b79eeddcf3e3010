"""One module per dashboard; its `board()` builds it."""

from __future__ import annotations

from dashboards.builder.board import Board
from dashboards.builder.boards import databases, django, drills, edges, messaging, overview, service, telemetry


def every() -> list[Board]:
    """All dashboards, in drill-down order."""
    return [
        overview.board(),
        service.board(),
        edges.board(),
        messaging.board(),
        databases.board(),
        telemetry.board(),
        django.board(),
        drills.board(),
    ]
