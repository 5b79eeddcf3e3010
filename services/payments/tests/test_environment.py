"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

from config.environment import Environment
from contracts.testing.environment import LONG, PASSWORD, EnvironmentTests


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8004
    sound = {
        "RABBITMQ_URL": f"amqp://payments:{PASSWORD}@broker/platform",
        "SERVICE_TOKENS": f"orders={LONG}",
    }
    wrong = [
        ("CARD_PROVIDER_URL", "127.0.0.1:8006"),
        ("CARD_PROVIDER_URL", "ftp://127.0.0.1"),
    ]
