"""Where the platform runs, as far as drills are concerned: on this machine, or as containers of docker compose."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from platformctl.run.model import Process

from load.drills.descriptor import Drill

Login = tuple[str, str]


class NotPossible(RuntimeError):
    """What can't be done where the platform runs; the message says why."""


class Processes(Protocol):
    """Starts, stops and signals processes by the names that they have without Docker."""

    @property
    def processes(self) -> Mapping[str, Process]:
        """Every process, by name."""

    def signal(self, name: str, number: signal.Signals) -> Sequence[int]:
        """Send it to the process and, for SIGSTOP, SIGCONT and SIGKILL, to all its descendants."""

    def stop(self, name: str) -> None:
        """It is gone, and stays gone until it is started."""

    def start(self, name: str) -> None:
        """It runs and is ready."""

    def restart(self, name: str) -> None:
        """Stop, start, wait until it is ready."""

    def release(self, name: str, overrides: Mapping[str, str]) -> None:
        """Restart with other environment variables beside the usual ones; with none, as usual again."""


class Site(Protocol):
    """What differs between the ways of running."""

    @property
    def processes(self) -> Processes:
        """The processes."""

    @property
    def broker_login(self) -> Login:
        """RabbitMQ's administrator."""

    @property
    def search_login(self) -> Login | None:
        """Elasticsearch's user; None where it asks for none."""

    @property
    def database(self) -> Mapping[str, Any]:
        """How PostgreSQL's administrator connects: host, port, password."""

    def host(self, port_variable: str) -> str:
        """Who listens on that port."""

    def refusal(self, drill: Drill) -> str:
        """Why a drill can't be run here; empty when it can."""
