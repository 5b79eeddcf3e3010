"""What can be set in .env or the environment, read once into one frozen object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalogue import Catalogue
from dotenv import dotenv_values

from platformctl.errors import SettingsError

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
    "SPOTLIGHT_PORT": 8969,
    "WATCHDOG_PORT": 9095,
    "LOG_PIPELINE_PORT": 9096,
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
    cache: Path = Path(DEFAULT_CACHE)
    traffic: bool = True
    traffic_users: int = 2
    environment: str = "development"
    service_version: str = "dev"
    logs_retention_days: int = 7
    traces_retention_days: int = 3
    metrics_retention_days: int = 7
    email_url: str = ""
    sentry_dsn: str = ""
    traces_sampler_ratio: float = 1.0
    alert_receivers: Mapping[str, str] = field(default_factory=dict)

    def port(self, process: str, use: str = "") -> int:
        """The port of a process, or of one of its uses ("metrics", "proxy")."""
        return self.ports[port_variable(process, use)]


# Where alerts go besides the watchdog's record; `alerts.generator.alertmanager` says what each means.
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

# Read by docker compose only; one .env serves both ways of running.
COMPOSE_VARIABLES = (
    "GRAFANA_PORT",
    "KIBANA_PORT",
    "MAILPIT_PORT",
    "REVISION",
    "WATCHDOG_WEBHOOK",
    "WATCHDOG_EMAIL_TO",
    "SENTRY_SPOTLIGHT",
    "SPOTLIGHT_URL",
    "ES_JAVA_OPTS",
)

OTHER_VARIABLES = (
    "CACHE_DIR",
    "ENVIRONMENT",
    "SERVICE_VERSION",
    "PORT_OFFSET",
    "TRAFFIC",
    "TRAFFIC_USERS",
    "LOGS_RETENTION_DAYS",
    "TRACES_RETENTION_DAYS",
    "METRICS_RETENTION_DAYS",
    "EMAIL_URL",
    "SENTRY_DSN",
    "OTEL_TRACES_SAMPLER_ARG",
)


def load(root: Path, catalogue: Catalogue, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `root`/.env, overridden by the environment. Raises SettingsError with every wrong variable."""
    defaults = default_ports(catalogue)
    known = {*defaults, *OTHER_VARIABLES, *ALERT_VARIABLES, *COMPOSE_VARIABLES}
    in_file = {key: value or "" for key, value in dotenv_values(root / ".env").items()}
    unknown = sorted(set(in_file) - known)
    problems = [f"{name}: not a setting (misspelt?); .env.example lists all" for name in unknown]
    surrounding = os.environ if environ is None else environ
    values = in_file | {key: surrounding[key] for key in known if key in surrounding}
    reader = _Reader(values, problems)
    offset = reader.integer("PORT_OFFSET", 0, 0, 40_000)
    settings = Settings(
        ports={name: reader.integer(name, default + offset, 1, 65_535) for name, default in defaults.items()},
        cache=reader.absolute_path("CACHE_DIR", DEFAULT_CACHE),
        traffic=reader.choice("TRAFFIC", ("on", "off"), "on") == "on",
        traffic_users=reader.integer("TRAFFIC_USERS", 2, 1, 50),
        environment=reader.choice("ENVIRONMENT", ("development", "test", "drill", "production"), "development"),
        service_version=reader.text("SERVICE_VERSION", "dev"),
        logs_retention_days=reader.integer("LOGS_RETENTION_DAYS", 7, 1, 365),
        traces_retention_days=reader.integer("TRACES_RETENTION_DAYS", 3, 1, 365),
        metrics_retention_days=reader.integer("METRICS_RETENTION_DAYS", 7, 1, 365),
        email_url=reader.text("EMAIL_URL", ""),
        sentry_dsn=reader.text("SENTRY_DSN", ""),
        traces_sampler_ratio=reader.ratio("OTEL_TRACES_SAMPLER_ARG", 1.0),
        alert_receivers={name: values[name] for name in ALERT_VARIABLES if values.get(name)},
    )
    problems.extend(_shared_ports(settings.ports))
    if problems:
        raise SettingsError("wrong settings", detail=problems, advice="correct .env (or the environment) and try again")
    return settings


def _shared_ports(ports: Mapping[str, int]) -> Iterator[str]:
    owner: dict[int, str] = {}
    for name, port in ports.items():
        if port in owner:
            yield f"{name}={port}: {owner[port]} has that port too"
        owner.setdefault(port, name)


class _Reader:
    """Reads values one by one and collects what is wrong with them, so that one start names every fault."""

    def __init__(self, values: Mapping[str, str], problems: list[str]) -> None:
        self._values = values
        self._problems = problems

    def text(self, name: str, default: str) -> str:
        return self._values.get(name, "").strip() or default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        self._problems.append(f"{name}={text!r}: allowed is a whole number from {low} to {high}")
        return default

    def ratio(self, name: str, default: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0.0 <= value <= 1.0:
            return value
        self._problems.append(f"{name}={text!r}: allowed is a number from 0 to 1")
        return default

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        text = self.text(name, default).lower()
        if text in allowed:
            return text
        self._problems.append(f"{name}={text!r}: allowed is {', '.join(allowed)}")
        return default

    def absolute_path(self, name: str, default: str) -> Path:
        path = Path(self.text(name, default)).expanduser()
        if path.is_absolute():
            return path
        self._problems.append(f"{name}={str(path)!r}: allowed is an absolute path")
        return Path(default)
