"""The environment variables of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import environment
from platform_settings import kinds, variable


def _required(key_file: Path | None, others: Mapping[str, Any]) -> str | None:
    missing = key_file is None and others.get("ENVIRONMENT", "development") != "development"
    return "not set" if missing else None


def _files(value: str) -> tuple[Path, ...]:
    files = (kinds.parse_readable_file(entry.strip()) for entry in value.split(","))
    return tuple(file for file in files if file is not None)


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8001)
    database: environment.DBConfig = environment.database_url("users")
    trusted_proxies: tuple[environment.Network, ...] = environment.trusted_proxies()
    unlimited_networks: tuple[environment.Network, ...] = environment.networks(
        "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7",
        "networks without a limit on sign-ups and on logins to many accounts (the limits of an account always apply)",
    )
    service_tokens: Mapping[str, str] = environment.accepted_tokens()
    jwt_issuer: str = environment.token_issuer()
    jwt_audience: str = environment.token_audience()
    jwt_private_key_file: Path | None = kinds.readable_file(
        allowed="a readable PEM file with an RSA key of 2048 or more bits; only development does without",
        check=_required,
    )
    jwt_previous_public_key_files: tuple[Path, ...] = variable(
        _files, "", allowed="readable PEM files with RSA public keys, separated by commas"
    )
