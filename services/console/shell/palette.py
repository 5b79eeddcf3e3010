"""The places that the palette (Ctrl K) offers."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import catalogue
from django.conf import settings

from shell import links, runbooks
from shell.context import NAVIGATION

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Somewhere to go: what it is called, what kind of thing it is, its address."""

    title: str
    kind: str
    url: str


def places() -> list[dict[str, str]]:
    """Pages, services, dashboards and runbooks, in this order, as JSON objects."""
    known = catalogue.load()
    found = [Place(title, "page", url) for _, title, url, _ in NAVIGATION]
    found += [Place(name, "service", links.service(name)) for name in (*known.services, *known.external)]
    found += [Place(title, "dashboard", links.board(uid)) for uid, title in _boards(Path(settings.DASHBOARDS_DIR))]
    found += [Place(name, "runbook", links.runbook(name)) for name in runbooks.names()]
    return [asdict(place) for place in found]


@cache
def _boards(folder: Path) -> tuple[tuple[str, str], ...]:
    """(uid, title) of each dashboard file; one that can't be read is left out, and said in the log."""
    boards = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text())
            boards.append((str(document["uid"]), str(document["title"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is no dashboard: %s", path.name, error)
    return tuple(boards)
