"""The process's environment variables, read once into a frozen object. A wrong value stops the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import dj_email_url
from contracts import parsers
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

DEVELOPMENT_SECRET_KEY = "development only, not a secret, refused in production"  # noqa: S105
DEVELOPMENT_DATABASE_URL = "postgres://notifications:notifications@127.0.0.1:5432/notifications"
DEVELOPMENT_RABBITMQ_URL = "amqp://notifications:notifications@127.0.0.1:5672/platform"
DEVELOPMENT_EMAIL_URL = f"file://{Path(__file__).resolve().parent.parent / 'var' / 'mail'}"
MIN_SECRET_LENGTH = 32
# Bounds each step of handing a mail over; without it a server that hangs would hang the consumer.
SMTP_TIMEOUT_SECONDS = 10

# What each variable may be: shown when it is not, and the reference for the README.
ALLOWED = {
    "ENVIRONMENT": "development, test, drill or production",
    "SECRET_KEY": f"{MIN_SECRET_LENGTH} or more characters; in production not the default",
    "ALLOWED_HOSTS": "host names, separated by commas; in production without *",
    "SERVICE_VERSION": "a version, 1 to 64 characters",
    "HTTP_HOST": "the address to listen on",
    "HTTP_PORT": "a port, 1 to 65535",
    "DATABASE_URL": "postgres://role:password@host:port/name; in production a password that isn't the role's name",
    "DATABASE_POOL_MAX_SIZE": "connections, 1 to 64",
    "TEST_DATABASE_NAME": "the name of the database that tests create",
    "RABBITMQ_URL": "amqp(s)://user:password@host:port/vhost; in production a password that isn't the user's name",
    "USERS_URL": "http(s)://host:port",
    "EMAIL_URL": "file:///absolute/folder, smtp://user:password@host:port or submission://user:password@host:port",
    "MAIL_FROM": "an e-mail address",
    "JWT_ISSUER": "the iss of access tokens, 1 to 200 characters",
    "JWT_AUDIENCE": "the aud of access tokens, 1 to 200 characters",
}


@dataclass(frozen=True)
class Environment:
    """What the environment says, parsed. Secrets stay out of its repr."""

    name: str
    secret_key: str = field(repr=False)
    allowed_hosts: tuple[str, ...]
    service_version: str
    http_host: str
    http_port: int
    database: dj_database_url.DBConfig = field(repr=False)
    database_pool_max_size: int
    test_database_name: str | None
    rabbitmq_url: str = field(repr=False)
    users_url: str
    email: dict[str, Any] = field(repr=False)
    mail_from: str
    jwt_issuer: str
    jwt_audience: str


def load() -> Environment:
    """Read and check all variables. ImproperlyConfigured names every one that is wrong and what is allowed."""
    env = Env(eager=False)
    for parser in (parsers.hosts, parsers.database, parsers.broker, parsers.http_url):
        env.add_parser(parser.__name__.lstrip("_"), parser)
    env.add_parser("mail", mail_settings)
    names = ("development", "test", "drill", "production")
    environment = Environment(
        name=env.str("ENVIRONMENT", "development", validate=validate.OneOf(names)),
        secret_key=env.str("SECRET_KEY", DEVELOPMENT_SECRET_KEY, validate=validate.Length(min=MIN_SECRET_LENGTH)),
        allowed_hosts=env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1"),
        service_version=env.str("SERVICE_VERSION", "0.0.0-development", validate=validate.Length(1, 64)),
        http_host=env.str("HTTP_HOST", "127.0.0.1", validate=validate.Length(min=1)),
        http_port=env.int("HTTP_PORT", 8005, validate=validate.Range(1, 65535)),
        database=env.database("DATABASE_URL", DEVELOPMENT_DATABASE_URL),
        database_pool_max_size=env.int("DATABASE_POOL_MAX_SIZE", 8, validate=validate.Range(1, 64)),
        test_database_name=env.str("TEST_DATABASE_NAME", None, validate=validate.Length(1, 63)),
        rabbitmq_url=env.broker("RABBITMQ_URL", DEVELOPMENT_RABBITMQ_URL),
        users_url=env.http_url("USERS_URL", "http://127.0.0.1:8001"),
        email=env.mail("EMAIL_URL", DEVELOPMENT_EMAIL_URL),
        mail_from=env.str("MAIL_FROM", "orders@shop.example", validate=validate.Email()),
        jwt_issuer=env.str("JWT_ISSUER", "users", validate=validate.Length(1, 200)),
        jwt_audience=env.str("JWT_AUDIENCE", "platform", validate=validate.Length(1, 200)),
    )
    try:
        env.seal()
        wrong: set[str] = set()
    except EnvValidationError as error:
        wrong = set(error.error_messages)
    wrong |= _too_weak(environment, wrong)
    if wrong:
        lines = "".join(f"\n  {name}: allowed is {ALLOWED[name]}" for name in sorted(wrong))
        raise ImproperlyConfigured(f"Environment variables with wrong values:{lines}")
    return environment


def _too_weak(environment: Environment, malformed: set[str]) -> set[str]:
    """Variables that are well-formed, but too weak for production."""
    if environment.name != "production":
        return set()
    broker = urlsplit(environment.rabbitmq_url or "")
    checks = {
        "SECRET_KEY": lambda: environment.secret_key == DEVELOPMENT_SECRET_KEY,
        "ALLOWED_HOSTS": lambda: "*" in environment.allowed_hosts,
        "DATABASE_URL": lambda: environment.database["PASSWORD"] in ("", environment.database["USER"]),
        "RABBITMQ_URL": lambda: broker.password in ("", None, broker.username),
    }
    return {name for name, is_weak in checks.items() if name not in malformed and is_weak()}


def mail_settings(value: str) -> dict[str, Any]:
    """Django's EMAIL_* settings for an EMAIL_URL. ValidationError when it isn't one of the allowed."""
    try:
        parts = urlsplit(value)
        parsed = dj_email_url.parse(value)
    except ValueError:
        raise ValidationError("not a URL") from None
    if parts.scheme == "file":
        if parts.netloc or parts.path in ("", "/"):
            raise ValidationError("not an absolute folder")
        # dj_email_url cuts off the leading slash, which would make the folder relative.
        return {"EMAIL_BACKEND": parsed["EMAIL_BACKEND"], "EMAIL_FILE_PATH": parts.path}
    if parts.scheme not in ("smtp", "submission") or not parts.hostname:
        raise ValidationError("another scheme, or no host")
    return {**parsed, "EMAIL_TIMEOUT": SMTP_TIMEOUT_SECONDS}
