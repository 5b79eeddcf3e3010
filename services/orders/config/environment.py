"""The environment variables of orders."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import environment
from platform_settings import kinds


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8003)
    database: environment.DBConfig = environment.database_url("orders")
    rabbitmq_url: str = environment.broker_url("orders")
    users_url: str = kinds.origin("http://127.0.0.1:8001")
    payments_url: str = kinds.origin("http://127.0.0.1:8004")
    inventory_grpc_target: str = kinds.host_port("127.0.0.1:8202")
    service_token: str = environment.own_token("development-token-of-orders")
    jwt_issuer: str = environment.token_issuer()
    jwt_audience: str = environment.token_audience()
