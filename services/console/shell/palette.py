"""The entries of the command palette (Ctrl K)."""

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
    """A palette entry: its title, its kind, its URL."""

    title: str
    kind: str
    url: str


def places() -> list[dict[str, str]]:
    """Return pages, services, dashboards and runbooks, in this order, as JSON objects."""
    known = catalogue.load()
    found = [Place(title, "page", url) for _, title, url, _ in NAVIGATION]
    found.append(Place("Silences", "page", "/silences"))
    found += [Place(name, "service", links.service(name)) for name in (*known.services, *known.external)]
    found += [Place(title, "dashboard", links.board(uid)) for uid, title in _boards(Path(settings.DASHBOARDS_DIR))]
    found += [Place(name, "runbook", links.runbook(name)) for name in runbooks.names()]
    return [asdict(place) for place in found]


@cache
def _boards(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return (uid, title) of each dashboard file; an unreadable one is skipped and logged."""
    boards = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text())
            boards.append((str(document["uid"]), str(document["title"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is no dashboard: %s", path.name, error)
    return tuple(boards)
