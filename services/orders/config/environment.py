"""The process's environment variables, read once into a frozen object. A wrong value stops the start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import dj_database_url
from contracts import parsers
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

DEVELOPMENT_SECRET_KEY = "development only, not a secret, refused in production"  # noqa: S105
DEVELOPMENT_DATABASE_URL = "postgres://orders:orders@127.0.0.1:5432/orders"
DEVELOPMENT_RABBITMQ_URL = "amqp://orders:orders@127.0.0.1:5672/platform"
DEVELOPMENT_SERVICE_TOKEN = "development-token-of-orders"  # noqa: S105
MIN_SECRET_LENGTH = 32

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
    "USERS_URL": "http(s)://host[:port], without path",
    "PAYMENTS_URL": "http(s)://host[:port], without path",
    "INVENTORY_GRPC_TARGET": "host:port",
    "SERVICE_TOKEN": f"this service's own token; in production {MIN_SECRET_LENGTH} or more characters",
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
    payments_url: str
    inventory_grpc_target: str
    service_token: str = field(repr=False)
    jwt_issuer: str
    jwt_audience: str


def load() -> Environment:
    """Read and check all variables. ImproperlyConfigured names every one that is wrong and what is allowed."""
    env = Env(eager=False)
    for parser in (parsers.hosts, parsers.database, parsers.broker, parsers.origin, _target, parsers.token):
        env.add_parser(parser.__name__.lstrip("_"), parser)
    names = ("development", "test", "drill", "production")
    environment = Environment(
        name=env.str("ENVIRONMENT", "development", validate=validate.OneOf(names)),
        secret_key=env.str("SECRET_KEY", DEVELOPMENT_SECRET_KEY, validate=validate.Length(min=MIN_SECRET_LENGTH)),
        allowed_hosts=env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1"),
        service_version=env.str("SERVICE_VERSION", "0.0.0-development", validate=validate.Length(1, 64)),
        http_host=env.str("HTTP_HOST", "127.0.0.1", validate=validate.Length(min=1)),
        http_port=env.int("HTTP_PORT", 8003, validate=validate.Range(1, 65535)),
        database=env.database("DATABASE_URL", DEVELOPMENT_DATABASE_URL),
        database_pool_max_size=env.int("DATABASE_POOL_MAX_SIZE", 8, validate=validate.Range(1, 64)),
        test_database_name=env.str("TEST_DATABASE_NAME", None, validate=validate.Length(1, 63)),
        rabbitmq_url=env.broker("RABBITMQ_URL", DEVELOPMENT_RABBITMQ_URL),
        users_url=env.origin("USERS_URL", "http://127.0.0.1:8001"),
        payments_url=env.origin("PAYMENTS_URL", "http://127.0.0.1:8004"),
        inventory_grpc_target=env.target("INVENTORY_GRPC_TARGET", "127.0.0.1:8202"),
        service_token=env.token("SERVICE_TOKEN", DEVELOPMENT_SERVICE_TOKEN),
        jwt_issuer=env.str("JWT_ISSUER", "users", validate=validate.Length(1, 200)),
        jwt_audience=env.str("JWT_AUDIENCE", "platform", validate=validate.Length(1, 200)),
    )
    try:
        env.seal()
        wrong: set[str] = set()
    except EnvValidationError as error:
        wrong = set(error.error_messages)
    if environment.name == "production":
        wrong |= _too_weak(environment, wrong)
    if wrong:
        lines = "".join(f"\n  {name}: allowed is {ALLOWED[name]}" for name in sorted(wrong))
        raise ImproperlyConfigured(f"Environment variables with wrong values:{lines}")
    return environment


def _too_weak(environment: Environment, malformed: set[str]) -> set[str]:
    """Variables that are well-formed, but too weak for production."""
    checks = {
        "SECRET_KEY": lambda: environment.secret_key == DEVELOPMENT_SECRET_KEY,
        "ALLOWED_HOSTS": lambda: "*" in environment.allowed_hosts,
        "DATABASE_URL": lambda: environment.database["PASSWORD"] in ("", environment.database["USER"]),
        "RABBITMQ_URL": lambda: (
            urlsplit(environment.rabbitmq_url).password in ("", None, urlsplit(environment.rabbitmq_url).username)
        ),
        "SERVICE_TOKEN": lambda: len(environment.service_token) < MIN_SECRET_LENGTH,
    }
    return {name for name, is_weak in checks.items() if name not in malformed and is_weak()}


def _target(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.\-_\[\]:]+:[0-9]{1,5}", value):
        raise ValidationError("not host:port")
    return value
