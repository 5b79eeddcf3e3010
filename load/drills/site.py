"""Where the platform runs, as far as drills are concerned: native processes, or containers of docker compose."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from platformctl.run.model import Process

from load.drills.descriptor import Drill

Login = tuple[str, str]


class NotPossible(RuntimeError):
    """The operation isn't possible where the platform runs; the message gives the reason."""


class Processes(Protocol):
    """Starts, stops and signals processes by their native names."""

    @property
    def processes(self) -> Mapping[str, Process]:
        """All processes, by name."""

    def signal(self, name: str, number: signal.Signals) -> Sequence[int]:
        """Send it to the process and, for SIGSTOP, SIGCONT and SIGKILL, to all its descendants."""

    def stop(self, name: str) -> None:
        """Stop the process; it stays down until it is started."""

    def start(self, name: str) -> None:
        """Start the process and wait until it is ready."""

    def restart(self, name: str) -> None:
        """Stop and start the process, and wait until it is ready."""

    def release(self, name: str, overrides: Mapping[str, str]) -> None:
        """Restart with environment variables added to the usual ones; with none, the usual environment."""


class Site(Protocol):
    """The differences between the ways to run the platform."""

    @property
    def processes(self) -> Processes:
        """Access to the processes."""

    @property
    def broker_login(self) -> Login:
        """RabbitMQ's administrator."""

    @property
    def search_login(self) -> Login | None:
        """Elasticsearch's user; None without authentication."""

    @property
    def database(self) -> Mapping[str, Any]:
        """Connection parameters of PostgreSQL's administrator: host, port, password."""

    def host(self, port_variable: str) -> str:
        """The host that listens on that port."""

    def refusal(self, drill: Drill) -> str:
        """Why a drill can't run here; empty when it can."""
