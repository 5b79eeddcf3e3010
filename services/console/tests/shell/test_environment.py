"""config/environment.py: every wrong variable is named at once, with what is allowed; values are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from config.environment import ALLOWED, load
from django.core.exceptions import ImproperlyConfigured

LONG = "0123456789abcdef0123456789abcdef"

SOUND = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": LONG,
    "ALLOWED_HOSTS": "console.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://console.example.com",
    "DATABASE_URL": "postgres://console:a-real-password@db/console",
    "ALERT_WEBHOOK_TOKEN": LONG,
    "PROMETHEUS_URL": "https://prometheus.example.com/",
    "GRAFANA_URL": "https://example.com/grafana/",
    "SPOTLIGHT_URL": "",
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
    """The variables that an error names."""
    return {line.strip().split(":")[0] for line in str(error.value).splitlines()[1:]}


def test_development_starts_without_any_variable() -> None:
    environment = load()
    assert (environment.name, environment.http_host, environment.http_port) == ("development", "127.0.0.1", 8000)
    assert (environment.dashboards_dir / "platform-overview.json").is_file()
    assert (environment.runbooks_dir / "EdgeErrors.md").is_file()


@pytest.mark.usefixtures("production")
def test_a_sound_production_environment_starts() -> None:
    environment = load()
    assert environment.prometheus_url == "https://prometheus.example.com", "without the slash: paths begin with one"
    assert environment.grafana_url == "https://example.com/grafana"
    assert environment.csrf_trusted_origins == ("https://console.example.com",)
    assert environment.spotlight_url == ""


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("SECRET_KEY", "short"),
        ("ALLOWED_HOSTS", "a,,b"),
        ("ALLOWED_HOSTS", "*"),
        ("CSRF_TRUSTED_ORIGINS", "console.example.com"),
        ("HTTP_PORT", "0"),
        ("DATABASE_URL", "mysql://console:x@db/console"),
        ("DATABASE_URL", "postgres://console:console@db/console"),
        ("DATABASE_POOL_MAX_SIZE", "65"),
        ("PROMETHEUS_URL", "http://prometheus/path"),
        ("ELASTICSEARCH_URL", "elasticsearch:9200"),
        ("GRAFANA_URL", "javascript:alert(1)"),
        ("ALERT_WEBHOOK_TOKEN", "with a space"),
        ("ALERT_WEBHOOK_TOKEN", "short"),
    ],
)
def test_a_wrong_value_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        load()
    assert named(caught) == {name}


@pytest.mark.usefixtures("production")
def test_a_user_without_a_password_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_USER", "reader")
    with pytest.raises(ImproperlyConfigured) as caught:
        load()
    assert named(caught) == {"ELASTICSEARCH_PASSWORD"}


def test_productions_defaults_are_refused_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(ImproperlyConfigured) as caught:
        load()
    assert named(caught) == {"SECRET_KEY", "DATABASE_URL", "ALERT_WEBHOOK_TOKEN"}


@pytest.mark.usefixtures("production")
def test_secrets_stay_out_of_the_repr() -> None:
    shown = repr(load())
    assert LONG not in shown
    assert "a-real-password" not in shown


def test_the_readme_lists_every_variable() -> None:
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    assert [name for name in ALLOWED if f"`{name}`" not in text] == []
