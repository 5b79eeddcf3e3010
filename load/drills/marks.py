"""A drill on the dashboards' time line, where there is one to write on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from load import marks
from load.drills.world import World

logger = logging.getLogger(__name__)


def put(world: World, drill: str, action: str, at: float) -> None:
    """Mark what happened to a drill at that time (Unix seconds). No Elasticsearch, no mark."""
    when = datetime.fromtimestamp(at, UTC)
    try:
        marks.put(
            f"{drill} {action}", kind="drill", action=action, at=when, elasticsearch_url=world.url("ELASTICSEARCH_PORT")
        )
    except marks.MarkError as error:
        logger.debug("No mark for %s: %s", drill, error)
