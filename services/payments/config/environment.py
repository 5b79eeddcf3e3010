"""The environment variables of payments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import environment
from platform_settings import kinds


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8004)
    database: environment.DBConfig = environment.database_url("payments")
    rabbitmq_url: str = environment.broker_url("payments")
    card_provider_url: str = kinds.url("http://127.0.0.1:8006")
    service_tokens: Mapping[str, str] = environment.accepted_tokens()
