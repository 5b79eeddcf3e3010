"""The environment variables of inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import environment
from platform_settings import kinds


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8002)
    database: environment.DBConfig = environment.database_url("inventory")
    # One for each of the gRPC server's 8 threads, and the rest for its housekeeping.
    database_pool_max_size: int = kinds.integer(10, 1, 64)
    service_tokens: Mapping[str, str] = environment.accepted_tokens()
    grpc_host: str = kinds.text("127.0.0.1", shortest=1, allowed="the address that the gRPC server listens on")
    grpc_port: int = kinds.port(8202, low=0, allowed="a port, 0 to 65535; 0 takes a free one")
    reservation_ttl_seconds: int = kinds.integer(
        300, 1, 3600, allowed="seconds that stock is held where the caller doesn't say, 1 to 3600"
    )
