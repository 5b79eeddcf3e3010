"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

import os
from pathlib import Path

from config.environment import Environment
from contracts.environment import load
from contracts.testing.environment import LONG, EnvironmentTests
from hypothesis import strategies as st


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8001
    sound = {"SERVICE_TOKENS": f"orders={LONG}", "JWT_PRIVATE_KEY_FILE": os.environ["JWT_PRIVATE_KEY_FILE"]}
    wrong = [
        ("JWT_PRIVATE_KEY_FILE", "/nowhere/key.pem"),
        ("JWT_PREVIOUS_PUBLIC_KEY_FILES", "/nowhere/key.pem"),
    ]
    weak = [("JWT_PRIVATE_KEY_FILE", None)]
    kinds = {"files": lambda _: st.text("abc", min_size=8).map("/nonexistent/{}".format)}

    def test_no_service_token_is_accepted_by_default(self) -> None:
        assert load(Environment, {}).service_tokens == {}

    def test_values_are_parsed(self, production: dict[str, str]) -> None:
        environment = load(Environment, production)
        assert environment.service_tokens == {"orders": LONG}
        assert environment.jwt_private_key_file == Path(production["JWT_PRIVATE_KEY_FILE"])

    def test_only_development_starts_without_a_key(self) -> None:
        for name in ("test", "drill"):
            assert "JWT_PRIVATE_KEY_FILE: " in self.refused({"ENVIRONMENT": name})
