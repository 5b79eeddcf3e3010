"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

from config.environment import Environment
from contracts.environment import load
from contracts.testing.environment import LONG, EnvironmentTests


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8002
    sound = {"SERVICE_TOKENS": f"orders={LONG}"}
    wrong = [
        ("GRPC_HOST", ""),
        ("GRPC_PORT", "65536"),
        ("RESERVATION_TTL_SECONDS", "0"),
        ("RESERVATION_TTL_SECONDS", "3601"),
    ]

    def test_no_service_token_is_accepted_by_default(self) -> None:
        assert load(Environment, {}).service_tokens == {}

    def test_values_are_parsed(self, production: dict[str, str]) -> None:
        environment = load(Environment, {**production, "GRPC_PORT": "0"})
        assert (environment.service_tokens, environment.grpc_port) == ({"orders": LONG}, 0)
