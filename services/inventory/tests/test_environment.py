"""config/environment.py: every wrong variable is named at once, with what is allowed; values are never shown."""

from __future__ import annotations

import pytest
from config.environment import ALLOWED, load
from django.core.exceptions import ImproperlyConfigured

LONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A sound production environment, set."""
    values = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": LONG,
        "ALLOWED_HOSTS": "inventory.example.com",
        "DATABASE_URL": "postgres://inventory:a-real-password@db/inventory",
        "SERVICE_TOKENS": f"orders={LONG}",
    }
    for name in ALLOWED:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def named(error: pytest.ExceptionInfo[ImproperlyConfigured]) -> set[str]:
    return {line.strip().split(":")[0] for line in str(error.value).splitlines()[1:]}


def test_development_starts_without_any_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOWED:
        monkeypatch.delenv(name, raising=False)
    environment = load()
    assert (environment.name, environment.http_host, environment.http_port) == ("development", "127.0.0.1", 8002)
    assert environment.service_tokens == {}, "nobody is let in by default"


def test_a_sound_production_environment_starts(production: dict[str, str]) -> None:
    environment = load()
    assert environment.service_tokens == {"orders": LONG}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("SECRET_KEY", "short"),
        ("ALLOWED_HOSTS", "a,,b"),
        ("SERVICE_VERSION", ""),
        ("HTTP_HOST", ""),
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "eighty"),
        ("DATABASE_URL", "mysql://users:pw@db/users"),
        ("DATABASE_URL", "postgres://users:pw@db:port/users"),
        ("DATABASE_URL", "postgres://db"),
        ("DATABASE_POOL_MAX_SIZE", "0"),
        ("TEST_DATABASE_NAME", ""),
        ("SERVICE_TOKENS", "orders"),
        ("SERVICE_TOKENS", "=token"),
        ("GRPC_HOST", ""),
        ("GRPC_PORT", "65536"),
        ("RESERVATION_TTL_SECONDS", "0"),
        ("RESERVATION_TTL_SECONDS", "3601"),
    ],
)
def test_a_wrong_value_stops_the_start(
    production: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {name}
    assert ALLOWED[name] in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", None),
        ("ALLOWED_HOSTS", "*"),
        ("DATABASE_URL", None),
        ("DATABASE_URL", "postgres://inventory:inventory@db/inventory"),
        ("SERVICE_TOKENS", "orders=short"),
    ],
)
def test_production_refuses_what_is_weak_or_missing(
    production: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {name}


def test_all_wrong_values_are_named_at_once_and_none_is_shown(
    production: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PORT", "0")
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("SERVICE_TOKENS", "orders=hunter2")
    with pytest.raises(ImproperlyConfigured) as error:
        load()
    assert named(error) == {"HTTP_PORT", "SECRET_KEY", "SERVICE_TOKENS"}
    assert "hunter2" not in str(error.value)


def test_secrets_stay_out_of_the_repr(production: dict[str, str]) -> None:
    shown = repr(load())
    assert LONG not in shown
    assert "a-real-password" not in shown
