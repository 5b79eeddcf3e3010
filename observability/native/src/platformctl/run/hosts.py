"""On which host a process is reached: the one thing in which running with and without Docker may differ here."""

from __future__ import annotations

from collections.abc import Callable

from platformctl.run.environment import HOST

# A process's name → the host it is reached at.
HostOf = Callable[[str], str]


def on_loopback(process: str) -> str:
    """Without Docker everything is on this machine."""
    return HOST
