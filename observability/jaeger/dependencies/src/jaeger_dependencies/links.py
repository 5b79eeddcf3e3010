"""From spans to links: which service calls which, how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Links = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """A span by which work enters a service (kind server or consumer), and the id of the span that caused it."""

    service: str
    parent_id: str


@dataclass(frozen=True)
class Caller:
    """The span that caused an entry. `peer` is whom it says it calls; empty where it doesn't say."""

    service: str
    peer: str


def from_entries(entries: Iterable[Entry], callers: Mapping[str, Caller]) -> Links:
    """The links that only the callee's side tells: a consumer's to its publisher, a server's to a caller without peer.

    A caller that names its callee is counted on its own side already.
    """
    links: Links = Counter()
    for entry in entries:
        caller = callers.get(entry.parent_id)
        if caller is not None and entry.service not in (caller.service, caller.peer):
            links[caller.service, entry.service] += 1
    return links
