"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

from config.environment import Environment
from contracts.environment import load
from contracts.testing.environment import LONG, PASSWORD, EnvironmentTests


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8003
    sound = {
        "RABBITMQ_URL": f"amqps://orders:{PASSWORD}@broker/platform",
        "SERVICE_TOKEN": LONG,
        "USERS_URL": "https://users.example.com/",
        "INVENTORY_GRPC_TARGET": "[::1]:8202",
    }
    wrong = [
        ("USERS_URL", "users:8001"),
        ("USERS_URL", "http://users/api"),
        ("PAYMENTS_URL", "ftp://payments"),
        ("PAYMENTS_URL", "http://payments:99999"),
        ("INVENTORY_GRPC_TARGET", "inventory"),
        ("INVENTORY_GRPC_TARGET", "inventory:grpc"),
    ]

    def test_dependencies_are_on_this_machine_by_default(self) -> None:
        assert load(Environment, {}).users_url == "http://127.0.0.1:8001"

    def test_values_are_parsed(self, production: dict[str, str]) -> None:
        environment = load(Environment, production)
        assert environment.users_url == "https://users.example.com", "without the slash: paths begin with one"
        assert environment.inventory_grpc_target == "[::1]:8202"
