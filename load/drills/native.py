"""The platform without Docker: everything listens on loopback, and platformctl runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platformctl.app import Platform

from load.drills.descriptor import Drill
from load.drills.site import Login, Processes

HOST = "127.0.0.1"


class Native:
    """The processes and backends of this checkout's platform."""

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
