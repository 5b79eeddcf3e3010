"""The platform under docker compose, as seen from its container `drill`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from platform_compose import hosts
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

    engine: str
    project: str
    postgres_host: str
    postgres_password: str = field(repr=False)
    rabbitmq_password: str = field(repr=False)
    elasticsearch_password: str = field(repr=False)


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Exits with the name of every variable that is missing."""
    names = {
        "engine": "DOCKER_HOST",
        "project": "COMPOSE_PROJECT_NAME",
        "postgres_host": "POSTGRES_SOCKET",
        "postgres_password": "POSTGRES_PASSWORD",
        "rabbitmq_password": "RABBITMQ_PASSWORD",
        "elasticsearch_password": "ELASTICSEARCH_PASSWORD",
    }
    missing = sorted(name for name in names.values() if not environ.get(name))
    if missing:
        raise SystemExit(f"{', '.join(missing)}: not set; docker-compose.yml and the container's secrets set them")
    return Settings(**{key: environ[name] for key, name in names.items()})


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
