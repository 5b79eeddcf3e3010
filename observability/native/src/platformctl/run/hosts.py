"""The host of each process: the only difference between native processes and containers in these modules."""

from __future__ import annotations

from collections.abc import Callable

from platformctl.run.environment import HOST

# A process's name → the host that it is reached at.
HostOf = Callable[[str], str]


def on_loopback(process: str) -> str:
    """Without Docker everything listens on loopback."""
    return HOST
