"""The container behind each port variable. Ports are the same as without Docker; only the hosts differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import catalogue
from catalogue import Catalogue
from platformctl import settings
from platformctl.settings import Settings, port_variable

TOXIPROXY = "toxiproxy"

_BACKEND_HOSTS: Mapping[str, str] = {
    "POSTGRES": "postgres",
    "POSTGRES_EXPORTER": "postgres-exporter",
    "RABBITMQ": "rabbitmq",
    "ELASTICSEARCH": "elasticsearch",
    "JAEGER": "jaeger",
    "PROMETHEUS": "prometheus",
    "ALERTMANAGER": "alertmanager",
    "TOXIPROXY": TOXIPROXY,
    "WATCHDOG": "watchdog",
    "LOG_PIPELINE": "log-pipeline-exporter",
    "ERRORS": "error-receiver",
}


def default_settings(platform: Catalogue) -> Settings:
    """platformctl's settings without any .env: inside the containers' networks the ports are fixed."""
    return settings.load(Path("/nonexistent"), platform, environ={})


def platform() -> Catalogue:
    """The catalogue of this checkout."""
    return catalogue.load()


def container(process: str) -> str:
    """The host name of a process: containers have the names of the processes without Docker."""
    return process


def host_of_variable(variable: str, services: Catalogue) -> str:
    """The container behind a port variable of platformctl. Raises KeyError if no container listens on it."""
    owners = {port_variable(process.name): process.name for process in services.processes()}
    owners |= {port_variable(process.name, "metrics"): process.name for process in services.processes()}
    owners |= {port_variable(program.name): program.name for program in services.programs()}
    if variable in owners:
        return owners[variable]
    stem = variable.removesuffix("_PORT")
    for prefix in sorted(_BACKEND_HOSTS, key=len, reverse=True):
        if stem == prefix or stem.startswith(f"{prefix}_"):
            return _BACKEND_HOSTS[prefix]
    raise KeyError(variable)
