"""How the services read environment variables that they have in common: parsers for `environs`, by their own names.

Each returns the value that settings use, or raises ValidationError. A service adds those that it needs by
`Env.add_parser`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import dj_database_url
from environs import ValidationError


def hosts(value: str) -> tuple[str, ...]:
    """Host names, separated by commas."""
    hosts = tuple(host.strip() for host in value.split(","))
    if not all(hosts):
        raise ValidationError("an empty host name")
    return hosts


def database(value: str) -> dj_database_url.DBConfig:
    """A PostgreSQL URL, with user, host and name."""
    if not value.startswith(("postgres://", "postgresql://")):
        raise ValidationError("not PostgreSQL")
    try:
        config = dj_database_url.parse(value)
    except ValueError:
        raise ValidationError("not a URL") from None
    if not (config["NAME"] and config["HOST"] and config["USER"]):
        raise ValidationError("incomplete")
    return config


def broker(value: str) -> str:
    """An AMQP URL."""
    return _url(value, "amqp", "amqps")


def http_url(value: str) -> str:
    """An HTTP URL."""
    return _url(value, "http", "https").rstrip("/")


def origin(value: str) -> str:
    """The scheme, host and port of an HTTP server, without a path, query or fragment."""
    parts = urlsplit(http_url(value))
    if parts.path or parts.query or parts.fragment:
        raise ValidationError("not an origin")
    return value.rstrip("/")


def token(value: str) -> str:
    """A token that fits into a header."""
    if not re.fullmatch(r"[!-~]+", value):
        raise ValidationError("not a token")
    return value


def tokens(value: str) -> dict[str, str]:
    """service=token, separated by commas."""
    pairs = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
    if not all(name and token and token.isascii() for name, _, token in pairs):
        raise ValidationError("not service=token")
    return {name: token for name, _, token in pairs}


def _url(value: str, *schemes: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValidationError("not a URL") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise ValidationError("another scheme, or no host")
    return value
