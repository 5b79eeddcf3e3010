"""The settings of .env and the environment, read once into one frozen object."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalogue import Catalogue
from dotenv import dotenv_values
from platform_settings import build, kinds, parse, variables

from platformctl.errors import SettingsError
from platformctl.paths import PLAIN_CHARACTERS, is_plain

DEFAULT_CACHE = "/var/cache/django-observability"

BACKEND_PORTS: Mapping[str, int] = {
    "POSTGRES_PORT": 5432,
    "POSTGRES_EXPORTER_PORT": 9187,
    "RABBITMQ_PORT": 5672,
    "RABBITMQ_MANAGEMENT_PORT": 15672,
    "RABBITMQ_METRICS_PORT": 15692,
    "RABBITMQ_DISTRIBUTION_PORT": 25682,
    "RABBITMQ_EPMD_PORT": 4379,
    "ELASTICSEARCH_PORT": 9200,
    "ELASTICSEARCH_TRANSPORT_PORT": 9300,
    "JAEGER_QUERY_PORT": 16686,
    "JAEGER_QUERY_GRPC_PORT": 16685,
    "JAEGER_OTLP_GRPC_PORT": 4317,
    "JAEGER_OTLP_HTTP_PORT": 4318,
    "JAEGER_SPANMETRICS_PORT": 8889,
    "JAEGER_METRICS_PORT": 8888,
    "JAEGER_HEALTH_PORT": 13133,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "WATCHDOG_PORT": 9095,
    "LOG_PIPELINE_PORT": 9096,
    "ERRORS_PORT": 9097,
    "TOXIPROXY_PORT": 8474,
}


def port_variable(process: str, use: str = "") -> str:
    """The variable that sets a process's port: USERS_PORT, USERS_METRICS_PORT, ORDERS_USERS_PROXY_PORT."""
    parts = [process.replace("-", "_"), *([use] if use else []), "port"]
    return "_".join(parts).upper()


def default_ports(catalogue: Catalogue) -> dict[str, int]:
    """Every port variable with its default; the services' come from the catalogue."""
    ports = dict(BACKEND_PORTS)
    for process in catalogue.processes():
        main = process.http_port or process.grpc_port
        if main is not None:
            ports[port_variable(process.name)] = main
        ports[port_variable(process.name, "metrics")] = process.metrics_port
    for edge in catalogue.proxied_edges():
        if edge.proxy_port is not None:
            ports[port_variable(edge.proxy_name, "proxy")] = edge.proxy_port
    for program in catalogue.programs():
        ports[port_variable(program.name)] = program.http_port
    return ports


@dataclass(frozen=True)
class Settings:
    """The platform's settings. Days are whole days of data kept; ports are TCP ports on 127.0.0.1."""

    ports: Mapping[str, int]
    cache: Path = kinds.folder(Path(DEFAULT_CACHE), absolute=True, allowed="an absolute path", name="CACHE_DIR")
    traffic: bool = kinds.switch(True)
    traffic_users: int = kinds.integer(2, 1, 50)
    environment: str = kinds.choice("development", ("development", "test", "drill", "production"))
    service_version: str = kinds.text("dev")
    # The major version: 2 is the distribution's, 3 is built from source, as is the Alertmanager beside it.
    prometheus: str = kinds.choice("2", ("2", "3"))
    logs_retention_days: int = kinds.integer(7, 1, 365)
    traces_retention_days: int = kinds.integer(3, 1, 365)
    errors_retention_days: int = kinds.integer(30, 1, 365)
    metrics_retention_days: int = kinds.integer(7, 1, 365)
    email_url: str = kinds.text("", secret=True)
    # Empty: to the receiver of this clone.
    sentry_dsn: str = kinds.text("", secret=True)
    errors_forward_dsn: str = kinds.text("", secret=True)
    traces_sampler_ratio: float = kinds.number(1.0, 0, 1, name="OTEL_TRACES_SAMPLER_ARG")
    alert_receivers: Mapping[str, str] = field(default_factory=dict)

    def port(self, process: str, use: str = "") -> int:
        """The port of a process, or of one of its uses ("metrics", "proxy")."""
        return self.ports[port_variable(process, use)]


# Receivers of alerts besides the watchdog's record; documented in `alerts.generator.alertmanager`.
ALERT_VARIABLES = (
    "ALERT_WEBHOOK_URL",
    "ALERT_WEBHOOK_TOKEN_FILE",
    "ALERT_EMAIL_TO",
    "ALERT_EMAIL_FROM",
    "ALERT_SMTP_HOST",
    "ALERT_SMTP_USER",
    "ALERT_SMTP_PASSWORD_FILE",
    "SLACK_WEBHOOK_URL_FILE",
    "SLACK_CHANNEL",
    "PAGERDUTY_ROUTING_KEY_FILE",
)

# Only docker compose uses these; one .env serves both ways to run the platform.
COMPOSE_PORTS: Mapping[str, int] = {"GRAFANA_PORT": 3000, "KIBANA_PORT": 5601, "MAILPIT_PORT": 8025}
COMPOSE_VARIABLES = (
    *COMPOSE_PORTS,
    "REVISION",
    "WATCHDOG_WEBHOOK",
    "WATCHDOG_EMAIL_TO",
    "ES_JAVA_OPTS",
    "FILEBEAT_SCALE",
    "DOCKER_SOCKET",
    "DOCKER_CONTAINERS",
)
# Docker's own variables, and other images or versions than observability/versions.env pins.
_OF_DOCKER = re.compile(r"(COMPOSE|DOCKER|BUILDKIT|BUILDX)_\w+|\w+_IMAGE|TOXIPROXY_VERSION")

# Moves every port that isn't set individually.
PORT_OFFSET = kinds.integer(0, 0, 40_000)
OTHER_VARIABLES = ("PORT_OFFSET", *variables(Settings))


def load(root: Path, catalogue: Catalogue, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `root`/.env, overridden by the environment. Raises SettingsError with every wrong variable."""
    defaults = default_ports(catalogue)
    known = {*defaults, *OTHER_VARIABLES, *ALERT_VARIABLES, *COMPOSE_VARIABLES}
    in_file = {key: value or "" for key, value in dotenv_values(root / ".env").items()}
    unknown = sorted(name for name in set(in_file) - known if not _OF_DOCKER.fullmatch(name))
    problems = [f"{name}: not a setting (misspelt?); .env.example lists all" for name in unknown]
    surrounding = os.environ if environ is None else environ
    merged = in_file | {key: surrounding[key] for key in known if key in surrounding}
    given = {name: value for name, value in merged.items() if value.strip()}
    offset = parse({"PORT_OFFSET": PORT_OFFSET}, given, blank_is_unset=True)[0].get("PORT_OFFSET", 0)
    # Checked like configured values: an offset may move a default beyond the last port.
    moved = {name: str(default + offset) for name, default in defaults.items()}
    declared = {
        "PORT_OFFSET": PORT_OFFSET,
        **variables(Settings),
        **{name: kinds.port(default) for name, default in defaults.items()},
    }
    values, wrong = parse(declared, moved | given, blank_is_unset=True)
    problems += [f"{name}: {problem}" for name, problem in wrong.items()]
    ports = {name: values.get(name, default + offset) for name, default in defaults.items()}
    problems += _shared_ports(ports)
    cache = values.get("CACHE_DIR")
    if cache is not None and not is_plain(cache):
        problems.append(f"CACHE_DIR: backends can't read {str(cache)!r}; allowed: {PLAIN_CHARACTERS}")
    if problems:
        raise SettingsError("wrong settings", detail=problems, advice="correct .env (or the environment) and try again")
    receivers = {name: given[name] for name in ALERT_VARIABLES if name in given}
    return build(Settings, values, ports=ports, alert_receivers=receivers)


def _shared_ports(ports: Mapping[str, int]) -> Iterator[str]:
    owner: dict[int, str] = {}
    for name, port in ports.items():
        if port in owner:
            yield f"{name}={port}: {owner[port]} has that port too"
        owner.setdefault(port, name)
