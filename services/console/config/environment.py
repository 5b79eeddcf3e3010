"""The environment variables of the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import environment
from platform_settings import kinds, variable

_CONSOLE = Path(__file__).resolve().parents[1]
_REPOSITORY = _CONSOLE.parents[1]


def _origins(value: str) -> tuple[str, ...]:
    return tuple(kinds.parse_origin(origin.strip()) for origin in value.split(",")) if value.strip() else ()


def _with_user(password: str, others: Mapping[str, Any]) -> str | None:
    return "missing" if others.get("ELASTICSEARCH_USER") and not password else None


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8000)
    database: environment.DBConfig = environment.database_url("console")
    database_pool_max_size: int = kinds.integer(16, 1, 64)
    trusted_proxies: tuple[environment.Network, ...] = environment.trusted_proxies()
    csrf_trusted_origins: tuple[str, ...] = variable(
        _origins, "", allowed="origins (https://host[:port]), separated by commas, or empty"
    )
    prometheus_url: str = kinds.origin("http://127.0.0.1:9090")
    alertmanager_url: str = kinds.origin("http://127.0.0.1:9093")
    jaeger_url: str = kinds.origin("http://127.0.0.1:16686")
    elasticsearch_url: str = kinds.origin("http://127.0.0.1:9200")
    elasticsearch_user: str = kinds.text("", allowed="a user's name, or empty for none")
    elasticsearch_password: str = kinds.text(
        "", secret=True, allowed="the user's password; required with ELASTICSEARCH_USER", check=_with_user
    )
    alert_webhook_token: str = environment.own_token(
        "development-token-of-the-webhook", "the token that Alertmanager sends"
    )
    assets_dir: Path = kinds.folder(_CONSOLE / "node_modules", name="CONSOLE_ASSETS_DIR")
    # The folder that manage.py collectstatic has filled; without it files are served from their source folders.
    static_root: Path | None = kinds.folder(None)
    dashboards_dir: Path = kinds.folder(_REPOSITORY / "dashboards")
    runbooks_dir: Path = kinds.folder(_REPOSITORY / "alerts" / "runbooks")
    # How long Jaeger's store keeps traces.
    traces_retention_days: int = kinds.integer(3, 1, 365)
    alert_link_origins: tuple[str, ...] = variable(
        _origins,
        "",
        allowed="origins to which links of alerts may lead besides the programs below, separated by commas, or empty",
    )
    # Links to other programs; none where empty.
    grafana_url: str = kinds.url("", or_none=True)
    jaeger_ui_url: str = kinds.url("", or_none=True)
    kibana_url: str = kinds.url("", or_none=True)
