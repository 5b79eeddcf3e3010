"""Environment variables shared by the services: a base for each service's dataclass, and optional common fields.

Production refuses the defaults of development, and secrets that are short or easy to guess.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import dj_database_url
import platform_settings
from django.core.exceptions import ImproperlyConfigured
from platform_settings import Check, ValidationError, kinds, variable

ENVIRONMENTS = ("development", "test", "drill", "production")
DEVELOPMENT_SECRET_KEY = "development only, not a secret, refused in production"  # noqa: S105
MIN_SECRET_LENGTH = 32

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DBConfig = dj_database_url.DBConfig
E = TypeVar("E")


def in_production(is_weak: Callable[[Any], bool], problem: str) -> Check:
    """Return a check that refuses weak values when ENVIRONMENT is production."""

    def check(value: Any, others: Mapping[str, Any]) -> str | None:
        return problem if others.get("ENVIRONMENT") == "production" and is_weak(value) else None

    return check


def database_url(role: str) -> DBConfig:
    """DATABASE_URL as an entry of Django's DATABASES; by default the role's own database on this machine."""
    value: DBConfig = variable(
        _database,
        f"postgres://{role}:{role}@127.0.0.1:5432/{role}",
        name="DATABASE_URL",
        secret=True,
        allowed="postgres://role:password@host:port/name; in production a password that isn't the role's name",
        check=in_production(lambda config: config["PASSWORD"] in ("", config["USER"]), "no password, or a weak one"),
    )
    return value


def broker_url(user: str) -> str:
    """RABBITMQ_URL, by default the user's own broker account on this machine."""

    def is_weak(url: str) -> bool:
        parts = urlsplit(url)
        return parts.password in ("", None, parts.username)

    value: str = variable(
        _broker,
        f"amqp://{user}:{user}@127.0.0.1:5672/platform",
        secret=True,
        allowed="amqp(s)://user:password@host:port/vhost; in production a password that isn't the user's name",
        check=in_production(is_weak, "no password, or a weak one"),
    )
    return value


def own_token(default: str, meaning: str = "this service's own token") -> str:
    """A token that this service sends or accepts."""
    value: str = variable(
        _token,
        default,
        secret=True,
        allowed=f"{meaning}; in production {MIN_SECRET_LENGTH} or more characters",
        check=in_production(
            lambda given: given == default or len(given) < MIN_SECRET_LENGTH, "the default, or too short for production"
        ),
    )
    return value


def accepted_tokens() -> Mapping[str, str]:
    """The tokens of the services that may call this one, by the caller's name; by default none."""
    value: Mapping[str, str] = variable(
        _tokens,
        "",
        secret=True,
        allowed=f"service=token, separated by commas; in production {MIN_SECRET_LENGTH} or more characters each",
        check=in_production(
            lambda given: any(len(token) < MIN_SECRET_LENGTH for token in given.values()), "too short for production"
        ),
    )
    return value


def token_issuer() -> str:
    """JWT_ISSUER: users issues access tokens."""
    return kinds.text("users", shortest=1, longest=200, allowed="the iss of access tokens, 1 to 200 characters")


def token_audience() -> str:
    """JWT_AUDIENCE: all services share one audience."""
    return kinds.text("platform", shortest=1, longest=200, allowed="the aud of access tokens, 1 to 200 characters")


def networks(default: str, meaning: str) -> tuple[Network, ...]:
    """Networks in CIDR notation, separated by commas; empty for none."""
    value: tuple[Network, ...] = variable(
        _networks, default, allowed=f"{meaning}, in CIDR notation (10.0.0.0/8), separated by commas, or empty"
    )
    return value


def trusted_proxies() -> tuple[Network, ...]:
    """TRUSTED_PROXIES: the proxies whose X-Forwarded-For is believed; by default none."""
    return networks("", "networks of the reverse proxies in front of this service")


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(entry.strip()) for entry in value.split(",")) if value.strip() else ()
    except ValueError:
        raise ValidationError("not networks") from None


def _hosts(value: str) -> tuple[str, ...]:
    names = tuple(host.strip() for host in value.split(","))
    if not all(names):
        raise ValidationError("an empty host name")
    return names


def _database(value: str) -> DBConfig:
    if not value.startswith(("postgres://", "postgresql://")):
        raise ValidationError("not PostgreSQL")
    try:
        config = dj_database_url.parse(value)
    except ValueError:
        raise ValidationError("not a URL") from None
    if not (config["NAME"] and config["HOST"] and config["USER"]):
        raise ValidationError("incomplete")
    return config


def _broker(value: str) -> str:
    kinds.split_url(value, "amqp", "amqps")
    return value


def _token(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValidationError("not a token that fits into a header")
    return value


def _tokens(value: str) -> dict[str, str]:
    pairs = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
    if not all(name and token and token.isascii() for name, _, token in pairs):
        raise ValidationError("not service=token")
    return {name: token for name, _, token in pairs}


@dataclass(frozen=True)
class ServiceEnvironment:
    """The variables of all services. Each service declares `http_port` and `database` with its own defaults."""

    name: str = kinds.choice("development", ENVIRONMENTS, name="ENVIRONMENT")
    secret_key: str = kinds.text(
        DEVELOPMENT_SECRET_KEY,
        shortest=MIN_SECRET_LENGTH,
        secret=True,
        allowed=f"{MIN_SECRET_LENGTH} or more characters; in production not the default",
        check=in_production(lambda key: key == DEVELOPMENT_SECRET_KEY, "the default"),
    )
    allowed_hosts: tuple[str, ...] = variable(
        _hosts,
        "localhost,127.0.0.1",
        allowed="host names, separated by commas; in production without *",
        check=in_production(lambda hosts: "*" in hosts, "every host"),
    )
    service_version: str = kinds.text("0.0.0-development", shortest=1, longest=64)
    http_host: str = kinds.text("127.0.0.1", shortest=1, allowed="the address to listen on")
    http_port: int = field(kw_only=True)
    database: DBConfig = field(kw_only=True, repr=False)
    # One connection for each of gunicorn's threads.
    database_pool_max_size: int = kinds.integer(8, 1, 64)
    test_database_name: str | None = kinds.text(
        None, shortest=1, longest=63, allowed="the name of the database that tests create, 1 to 63 characters"
    )


def load(settings: type[E], environ: Mapping[str, str] = os.environ) -> E:
    """Load a service's environment. Raises ImproperlyConfigured that names every wrong variable."""
    try:
        return platform_settings.read(settings, environ)
    except platform_settings.SettingsError as error:
        raise ImproperlyConfigured(str(error)) from None
