"""config/environment.py: every wrong variable is named at once, with what is allowed; values are never shown."""

from __future__ import annotations

import pytest
from config.environment import ALLOWED, load
from django.core.exceptions import ImproperlyConfigured

LONG = "0123456789abcdef0123456789abcdef"

SOUND = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": LONG,
    "ALLOWED_HOSTS": "orders.example.com",
    "DATABASE_URL": "postgres://orders:a-real-password@db/orders",
    "RABBITMQ_URL": "amqps://orders:a-real-password@broker/platform",
    "SERVICE_TOKEN": LONG,
    "USERS_URL": "https://users.example.com/",
    "INVENTORY_GRPC_TARGET": "[::1]:8202",
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOWED:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound production environment, set."""
    for name, value in SOUND.items():
        monkeypatch.setenv(name, value)


def named(error: pytest.ExceptionInfo[ImproperlyConfigured]) -> set[str]:
    return {line.strip().split(":")[0] for line in str(error.value).splitlines()[1:]}


def test_development_starts_without_any_variable() -> None:
    environment = load()
    assert (environment.name, environment.http_host, environment.http_port) == ("development", "127.0.0.1", 8003)
    assert environment.users_url == "http://127.0.0.1:8001"


@pytest.mark.usefixtures("production")
def test_a_sound_production_environment_starts() -> None:
    environment = load()
    assert environment.users_url == "https://users.example.com", "without the slash: paths begin with one"
    assert environment.inventory_grpc_target == "[::1]:8202"


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", ""),
        ("ALLOWED_HOSTS", "a,,b"),
        ("ALLOWED_HOSTS", "*"),
        ("SERVICE_VERSION", ""),
        ("HTTP_HOST", ""),
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "eighty"),
        ("DATABASE_URL", "sqlite:///db"),
        ("DATABASE_URL", "postgres://orders@db"),
        ("DATABASE_URL", "postgres://orders:orders@db/orders"),
        ("DATABASE_POOL_MAX_SIZE", "0"),
        ("RABBITMQ_URL", "http://broker"),
        ("RABBITMQ_URL", "amqp://orders:orders@broker/platform"),
        ("RABBITMQ_URL", "amqp://orders:x@broker:port/platform"),
        ("USERS_URL", "users:8001"),
        ("USERS_URL", "http://users/api"),
        ("PAYMENTS_URL", "ftp://payments"),
        ("PAYMENTS_URL", "http://payments:99999"),
        ("INVENTORY_GRPC_TARGET", "inventory"),
        ("INVENTORY_GRPC_TARGET", "inventory:grpc"),
        ("SERVICE_TOKEN", "two words that are longer than thirty-two"),
        ("SERVICE_TOKEN", "short"),
        ("JWT_ISSUER", ""),
        ("JWT_AUDIENCE", "a" * 201),
    ],
)
def test_a_wrong_value_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {name}
    assert ALLOWED[name] in str(error.value)
    assert not value or len(value) < 4 or value not in str(error.value).replace(ALLOWED[name], "")


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PORT", "DATABASE_URL", "USERS_URL"):
        monkeypatch.setenv(name, "nonsense")
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {"HTTP_PORT", "DATABASE_URL", "USERS_URL"}


def test_production_refuses_every_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {"SECRET_KEY", "DATABASE_URL", "RABBITMQ_URL", "SERVICE_TOKEN"}


@pytest.mark.usefixtures("production")
def test_secrets_are_not_shown() -> None:
    assert "a-real-password" not in repr(load())
    assert LONG not in repr(load())
