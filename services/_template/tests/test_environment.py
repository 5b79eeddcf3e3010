"""config/environment.py: every wrong variable is named at once, with what is allowed; values are never shown."""

from __future__ import annotations

from config.environment import Environment
from contracts.testing.environment import PASSWORD, EnvironmentTests


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 65001
    sound = {"RABBITMQ_URL": f"amqp://newservice:{PASSWORD}@broker/platform"}
    wrong = [("USERS_URL", "127.0.0.1:8001")]
