"""The environment variables of newservice."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import environment
from platform_settings import kinds


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(65001)
    database: environment.DBConfig = environment.database_url("newservice")
    rabbitmq_url: str = environment.broker_url("newservice")
    users_url: str = kinds.url("http://127.0.0.1:8001")
    jwt_issuer: str = environment.token_issuer()
    jwt_audience: str = environment.token_audience()
