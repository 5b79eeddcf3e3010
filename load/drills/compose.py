"""The platform under docker compose, as seen from its container `drill`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from platform_compose import hosts
from platform_settings import SettingsError, kinds, read
from platformctl.app import Platform

from load.drills.containers import Containers
from load.drills.descriptor import Drill
from load.drills.site import Login

SEARCH_USER = "drills"
# Actions that compose can't do, with the reason.
REFUSED: Mapping[str, str] = {
    "release": "it starts a process with another environment, and a container keeps the one that it was made with; "
    "making another one would take rights over Docker that are rights over the whole machine",
    "memory-alarm": "it takes rabbitmqctl inside RabbitMQ's container, and the right to run programs in containers "
    "is the right to read every secret",
}


@dataclass(frozen=True)
class Settings:
    """The container's settings. `engine` is the Docker API's address, `postgres_host` the folder of the socket."""

    engine: str = kinds.text(shortest=1, name="DOCKER_HOST")
    project: str = kinds.text(shortest=1, name="COMPOSE_PROJECT_NAME")
    postgres_host: str = kinds.text(shortest=1, name="POSTGRES_SOCKET")
    postgres_password: str = kinds.text(shortest=1, secret=True)
    rabbitmq_password: str = kinds.text(shortest=1, secret=True)
    elasticsearch_password: str = kinds.text(shortest=1, secret=True)


def load(environ: Mapping[str, str]) -> Settings:
    """Read what docker-compose.yml and the container's secrets set. Exits naming all that are missing."""
    try:
        return read(Settings, environ, blank_is_unset=True)
    except SettingsError as error:
        raise SystemExit(str(error)) from error


class Compose:
    """The containers by name, and the drill's own user at each backend."""

    def __init__(self, platform: Platform, settings: Settings) -> None:
        self._platform = platform
        self._settings = settings

    @cached_property
    def processes(self) -> Containers:
        return Containers(self._settings.engine, self._settings.project)

    @property
    def broker_login(self) -> Login:
        return "admin", self._settings.rabbitmq_password

    @property
    def search_login(self) -> Login | None:
        return SEARCH_USER, self._settings.elasticsearch_password

    @property
    def database(self) -> Mapping[str, Any]:
        return {
            "host": self._settings.postgres_host,
            "port": self._platform.settings.ports["POSTGRES_PORT"],
            "password": self._settings.postgres_password,
        }

    def host(self, port_variable: str) -> str:
        return hosts.host_of_variable(port_variable, self._platform.catalogue)

    def refusal(self, drill: Drill) -> str:
        reasons = [REFUSED[step.action] for step in drill.steps if step.action in REFUSED]
        return f"{drill.name} can't be run in containers: {reasons[0]}" if reasons else ""
