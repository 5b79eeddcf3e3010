"""The process's environment variables, read once into a frozen object. A wrong value stops the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dj_database_url
from contracts import parsers
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

DEVELOPMENT_SECRET_KEY = "development only, not a secret, refused in production"  # noqa: S105
DEVELOPMENT_DATABASE_URL = "postgres://users:users@127.0.0.1:5432/users"
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
    "SERVICE_TOKENS": f"service=token, separated by commas; in production {MIN_SECRET_LENGTH} or more characters each",
    "JWT_ISSUER": "the iss of access tokens, 1 to 200 characters",
    "JWT_AUDIENCE": "the aud of access tokens, 1 to 200 characters",
    "JWT_PRIVATE_KEY_FILE": "a readable PEM file with an RSA key of 2048 or more bits; only development does without",
    "JWT_PREVIOUS_PUBLIC_KEY_FILES": "readable PEM files with RSA public keys, separated by commas",
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
    service_tokens: Mapping[str, str] = field(repr=False)
    jwt_issuer: str
    jwt_audience: str
    jwt_private_key_file: Path | None
    jwt_previous_public_key_files: tuple[Path, ...]


def load() -> Environment:
    """Read and check all variables. ImproperlyConfigured names every one that is wrong and what is allowed."""
    env = Env(eager=False)
    for parser in (parsers.hosts, parsers.database, parsers.tokens, _file, _files):
        env.add_parser(parser.__name__.lstrip("_"), parser)
    names = ("development", "test", "drill", "production")
    environment = Environment(
        name=env.str("ENVIRONMENT", "development", validate=validate.OneOf(names)),
        secret_key=env.str("SECRET_KEY", DEVELOPMENT_SECRET_KEY, validate=validate.Length(min=MIN_SECRET_LENGTH)),
        allowed_hosts=env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1"),
        service_version=env.str("SERVICE_VERSION", "0.0.0-development", validate=validate.Length(1, 64)),
        http_host=env.str("HTTP_HOST", "127.0.0.1", validate=validate.Length(min=1)),
        http_port=env.int("HTTP_PORT", 8001, validate=validate.Range(1, 65535)),
        database=env.database("DATABASE_URL", DEVELOPMENT_DATABASE_URL),
        database_pool_max_size=env.int("DATABASE_POOL_MAX_SIZE", 8, validate=validate.Range(1, 64)),
        test_database_name=env.str("TEST_DATABASE_NAME", None, validate=validate.Length(1, 63)),
        service_tokens=env.tokens("SERVICE_TOKENS", ""),
        jwt_issuer=env.str("JWT_ISSUER", "users", validate=validate.Length(1, 200)),
        jwt_audience=env.str("JWT_AUDIENCE", "platform", validate=validate.Length(1, 200)),
        jwt_private_key_file=env.file("JWT_PRIVATE_KEY_FILE", ""),
        jwt_previous_public_key_files=env.files("JWT_PREVIOUS_PUBLIC_KEY_FILES", ""),
    )
    try:
        env.seal()
        wrong: set[str] = set()
    except EnvValidationError as error:
        wrong = set(error.error_messages)
    wrong |= _not_fit_for(environment, wrong)
    if wrong:
        lines = "".join(f"\n  {name}: allowed is {ALLOWED[name]}" for name in sorted(wrong))
        raise ImproperlyConfigured(f"Environment variables with wrong values:{lines}")
    return environment


def _not_fit_for(environment: Environment, malformed: set[str]) -> set[str]:
    """Variables that are well-formed, but too weak or missing for this environment's name."""
    weak: set[str] = set()
    if environment.name not in ("development", None) and environment.jwt_private_key_file is None:
        weak.add("JWT_PRIVATE_KEY_FILE")
    if environment.name != "production":
        return weak
    checks = {
        "SECRET_KEY": lambda: environment.secret_key == DEVELOPMENT_SECRET_KEY,
        "ALLOWED_HOSTS": lambda: "*" in environment.allowed_hosts,
        "DATABASE_URL": lambda: environment.database["PASSWORD"] in ("", environment.database["USER"]),
        "SERVICE_TOKENS": lambda: any(len(token) < MIN_SECRET_LENGTH for token in environment.service_tokens.values()),
    }
    return weak | {name for name, is_weak in checks.items() if name not in malformed and is_weak()}


def _file(value: str) -> Path | None:
    if not value:
        return None
    path = Path(value)
    try:
        path.open("rb").close()
    except OSError:
        raise ValidationError("not readable") from None
    return path


def _files(value: str) -> tuple[Path, ...]:
    paths = (_file(entry.strip()) for entry in value.split(","))
    return tuple(path for path in paths if path is not None)
