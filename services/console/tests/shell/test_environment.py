"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

from pathlib import Path

from config.environment import Environment
from contracts.environment import load
from contracts.testing.environment import LONG, EnvironmentTests, named
from hypothesis import strategies as st
from platform_settings import variables


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8000
    sound = {
        "CSRF_TRUSTED_ORIGINS": "https://console.example.com",
        "ALERT_WEBHOOK_TOKEN": LONG,
        "PROMETHEUS_URL": "https://prometheus.example.com/",
        "GRAFANA_URL": "https://example.com/grafana/",
    }
    wrong = [
        ("CSRF_TRUSTED_ORIGINS", "console.example.com"),
        ("PROMETHEUS_URL", "http://prometheus/path"),
        ("ELASTICSEARCH_URL", "elasticsearch:9200"),
        ("GRAFANA_URL", "javascript:alert(1)"),
        ("ALERT_WEBHOOK_TOKEN", "with a space"),
        ("DASHBOARDS_DIR", ""),
    ]
    weak = [("ALERT_WEBHOOK_TOKEN", None), ("ALERT_WEBHOOK_TOKEN", "hunter2")]
    kinds = {"origins": lambda _: st.text("abc", min_size=8)}

    def test_the_repositorys_folders_are_the_defaults(self) -> None:
        environment = load(Environment, {})
        assert (environment.dashboards_dir / "platform-overview.json").is_file()
        assert (environment.runbooks_dir / "EdgeErrors.md").is_file()

    def test_values_are_parsed(self, production: dict[str, str]) -> None:
        environment = load(Environment, production)
        assert environment.prometheus_url == "https://prometheus.example.com", "without the slash: paths begin with one"
        assert environment.grafana_url == "https://example.com/grafana"
        assert environment.csrf_trusted_origins == ("https://console.example.com",)

    def test_a_user_without_a_password_stops_the_start(self, production: dict[str, str]) -> None:
        assert named(self.refused({**production, "ELASTICSEARCH_USER": "reader"})) == {"ELASTICSEARCH_PASSWORD"}


def test_the_readme_lists_every_variable() -> None:
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    assert [name for name in variables(Environment) if f"`{name}`" not in text] == []
