"""Where the platform runs, as far as drills are concerned: on this machine, or as containers of docker compose."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from platformctl.app import Platform
from platformctl.run.model import Process

from load.drills.descriptor import Drill

HOST = "127.0.0.1"
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


class Native:
    """Without Docker: everything is on loopback, and platformctl runs it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def processes(self) -> Processes:
        return self._platform.runner

    @property
    def broker_login(self) -> Login:
        return "admin", self._platform.secrets.get("rabbitmq_admin")

    @property
    def search_login(self) -> Login | None:
        return None

    @property
    def database(self) -> Mapping[str, Any]:
        return {
            "host": HOST,
            "port": self._platform.settings.ports["POSTGRES_PORT"],
            "password": self._platform.secrets.get("postgres_postgres"),
        }

    def host(self, port_variable: str) -> str:
        return HOST

    def refusal(self, drill: Drill) -> str:
        return ""


def chosen(platform: Platform, environ: Mapping[str, str] = os.environ) -> Site:
    """The site that DRILLS_SITE names; native where it isn't set. Exits with what is allowed for a wrong one."""
    name = environ.get("DRILLS_SITE") or "native"
    if name == "native":
        return Native(platform)
    if name == "compose":
        # Its packages are in the container's image only.
        from load.drills import compose

        return compose.Compose(platform, compose.load(environ))
    raise SystemExit(f"DRILLS_SITE={name!r}: allowed are native and compose")
