"""The process's environment variables, read once into a frozen object. A wrong value stops the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from contracts import parsers
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError, ValidationError, validate

DEVELOPMENT_SECRET_KEY = "development only, not a secret, refused in production"  # noqa: S105
DEVELOPMENT_DATABASE_URL = "postgres://console:console@127.0.0.1:5432/console"
DEVELOPMENT_WEBHOOK_TOKEN = "development-token-of-the-webhook"  # noqa: S105
MIN_SECRET_LENGTH = 32

_CONSOLE = Path(__file__).resolve().parents[1]
_REPOSITORY = _CONSOLE.parents[1]

# What each variable may be: shown when it is not, and the reference for the README.
ALLOWED = {
    "ENVIRONMENT": "development, test, drill or production",
    "SECRET_KEY": f"{MIN_SECRET_LENGTH} or more characters; in production not the default",
    "ALLOWED_HOSTS": "host names, separated by commas; in production without *",
    "CSRF_TRUSTED_ORIGINS": "origins (https://host[:port]), separated by commas, or empty",
    "SERVICE_VERSION": "a version, 1 to 64 characters",
    "HTTP_HOST": "the address to listen on",
    "HTTP_PORT": "a port, 1 to 65535",
    "DATABASE_URL": "postgres://role:password@host:port/name; in production a password that isn't the role's name",
    "DATABASE_POOL_MAX_SIZE": "connections, 1 to 64",
    "TEST_DATABASE_NAME": "the name of the database that tests create",
    "PROMETHEUS_URL": "http(s)://host[:port], without path",
    "ALERTMANAGER_URL": "http(s)://host[:port], without path",
    "JAEGER_URL": "http(s)://host[:port] of Jaeger's query API, without path",
    "ELASTICSEARCH_URL": "http(s)://host[:port], without path",
    "ELASTICSEARCH_USER": "a user's name, or empty for none",
    "ELASTICSEARCH_PASSWORD": "the user's password; required with ELASTICSEARCH_USER",
    "SPOTLIGHT_URL": "http(s)://host[:port], or empty: none",
    "ALERT_WEBHOOK_TOKEN": f"the token that Alertmanager sends; in production {MIN_SECRET_LENGTH} or more characters",
    "CONSOLE_ASSETS_DIR": "the folder that npm ci has filled (node_modules)",
    "STATIC_ROOT": "the folder that manage.py collectstatic has filled, or empty: files are served where they lie",
    "DASHBOARDS_DIR": "the folder with the dashboards' JSON files",
    "RUNBOOKS_DIR": "the folder with the runbooks",
    "GRAFANA_URL": "http(s)://host[:port][/path], or empty: no links to Grafana",
    "JAEGER_UI_URL": "http(s)://host[:port][/path], or empty: no links to Jaeger",
    "KIBANA_URL": "http(s)://host[:port][/path], or empty: no links to Kibana",
}


@dataclass(frozen=True)
class Environment:
    """What the environment says, parsed. Secrets stay out of its repr."""

    name: str
    secret_key: str = field(repr=False)
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    service_version: str
    http_host: str
    http_port: int
    database: dj_database_url.DBConfig = field(repr=False)
    database_pool_max_size: int
    test_database_name: str | None
    prometheus_url: str
    alertmanager_url: str
    jaeger_url: str
    elasticsearch_url: str
    elasticsearch_user: str
    elasticsearch_password: str = field(repr=False)
    spotlight_url: str
    alert_webhook_token: str = field(repr=False)
    assets_dir: Path
    static_root: Path | None
    dashboards_dir: Path
    runbooks_dir: Path
    grafana_url: str
    jaeger_ui_url: str
    kibana_url: str


def load() -> Environment:
    """Read and check all variables. ImproperlyConfigured names every one that is wrong and what is allowed."""
    env = Env(eager=False)
    for parser in (parsers.hosts, _origins, parsers.database, parsers.origin, _address, parsers.token, _folder):
        env.add_parser(parser.__name__.lstrip("_"), parser)
    names = ("development", "test", "drill", "production")
    environment = Environment(
        name=env.str("ENVIRONMENT", "development", validate=validate.OneOf(names)),
        secret_key=env.str("SECRET_KEY", DEVELOPMENT_SECRET_KEY, validate=validate.Length(min=MIN_SECRET_LENGTH)),
        allowed_hosts=env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1"),
        csrf_trusted_origins=env.origins("CSRF_TRUSTED_ORIGINS", ""),
        service_version=env.str("SERVICE_VERSION", "0.0.0-development", validate=validate.Length(1, 64)),
        http_host=env.str("HTTP_HOST", "127.0.0.1", validate=validate.Length(min=1)),
        http_port=env.int("HTTP_PORT", 8000, validate=validate.Range(1, 65535)),
        database=env.database("DATABASE_URL", DEVELOPMENT_DATABASE_URL),
        database_pool_max_size=env.int("DATABASE_POOL_MAX_SIZE", 16, validate=validate.Range(1, 64)),
        test_database_name=env.str("TEST_DATABASE_NAME", None, validate=validate.Length(1, 63)),
        prometheus_url=env.origin("PROMETHEUS_URL", "http://127.0.0.1:9090"),
        alertmanager_url=env.origin("ALERTMANAGER_URL", "http://127.0.0.1:9093"),
        jaeger_url=env.origin("JAEGER_URL", "http://127.0.0.1:16686"),
        elasticsearch_url=env.origin("ELASTICSEARCH_URL", "http://127.0.0.1:9200"),
        elasticsearch_user=env.str("ELASTICSEARCH_USER", ""),
        elasticsearch_password=env.str("ELASTICSEARCH_PASSWORD", ""),
        spotlight_url=env.address("SPOTLIGHT_URL", "http://127.0.0.1:8969"),
        alert_webhook_token=env.token("ALERT_WEBHOOK_TOKEN", DEVELOPMENT_WEBHOOK_TOKEN),
        assets_dir=env.folder("CONSOLE_ASSETS_DIR", str(_CONSOLE / "node_modules")),
        static_root=env.folder("STATIC_ROOT", None),
        dashboards_dir=env.folder("DASHBOARDS_DIR", str(_REPOSITORY / "dashboards")),
        runbooks_dir=env.folder("RUNBOOKS_DIR", str(_REPOSITORY / "alerts" / "runbooks")),
        grafana_url=env.address("GRAFANA_URL", ""),
        jaeger_ui_url=env.address("JAEGER_UI_URL", ""),
        kibana_url=env.address("KIBANA_URL", ""),
    )
    try:
        env.seal()
        wrong: set[str] = set()
    except EnvValidationError as error:
        wrong = set(error.error_messages)
    if environment.elasticsearch_user and not environment.elasticsearch_password:
        wrong.add("ELASTICSEARCH_PASSWORD")
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
        "ALERT_WEBHOOK_TOKEN": lambda: (
            environment.alert_webhook_token == DEVELOPMENT_WEBHOOK_TOKEN
            or len(environment.alert_webhook_token) < MIN_SECRET_LENGTH
        ),
    }
    return {name for name, is_weak in checks.items() if name not in malformed and is_weak()}


def _origins(value: str) -> tuple[str, ...]:
    return tuple(parsers.origin(origin.strip()) for origin in value.split(",")) if value.strip() else ()


def _address(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(parsers.http_url(value))
    if parts.query or parts.fragment:
        raise ValidationError("not an address")
    return value.rstrip("/")


def _folder(value: str | None) -> Path | None:
    return Path(value) if value else None
