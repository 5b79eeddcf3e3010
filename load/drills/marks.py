"""Marks of a drill on the dashboards' time line, if Elasticsearch is configured."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from load import marks
from load.drills.world import World

logger = logging.getLogger(__name__)


def put(world: World, drill: str, action: str, at: float) -> None:
    """Store a mark for a drill at `at` (Unix seconds). Skipped while Elasticsearch is unavailable."""
    when = datetime.fromtimestamp(at, UTC)
    try:
        marks.put(
            f"{drill} {action}", kind="drill", action=action, at=when, elasticsearch_url=world.url("ELASTICSEARCH_PORT")
        )
    except marks.MarkError as error:
        logger.debug("No mark for %s: %s", drill, error)
