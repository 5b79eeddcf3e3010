"""Derives links from spans: which service calls which, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Links = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """The first span of a unit of work in a service (kind server or consumer), and the id of its parent span."""

    service: str
    parent_id: str


@dataclass(frozen=True)
class Caller:
    """The parent span of an entry. `peer` is the callee that it names; empty if it names none."""

    service: str
    peer: str


def from_entries(entries: Iterable[Entry], callers: Mapping[str, Caller]) -> Links:
    """The links that only the callee reports: a consumer's to its publisher, a server's to a caller without `peer`.

    Calls with a named callee are counted from the caller's spans.
    """
    links: Links = Counter()
    for entry in entries:
        caller = callers.get(entry.parent_id)
        if caller is not None and entry.service not in (caller.service, caller.peer):
            links[caller.service, entry.service] += 1
    return links
