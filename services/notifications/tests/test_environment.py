"""config/environment.py: all wrong variables are reported at once with the allowed values; values are never shown."""

from __future__ import annotations

import pytest
from config.environment import Environment
from contracts.environment import load
from contracts.testing.environment import PASSWORD, EnvironmentTests
from hypothesis import strategies as st
from platform_settings.testing import urls


class TestEnvironment(EnvironmentTests):
    settings = Environment
    default_port = 8005
    sound = {"RABBITMQ_URL": f"amqp://notifications:{PASSWORD}@broker/platform"}
    wrong = [
        ("USERS_URL", "127.0.0.1:8001"),
        ("EMAIL_URL", "var/mail"),
        ("EMAIL_URL", "file://var/mail"),
        ("EMAIL_URL", "file:///"),
        ("EMAIL_URL", "console://"),
        ("EMAIL_URL", "smtp://"),
        ("EMAIL_URL", "smtp://shop:hunter2@host:port"),
        ("MAIL_FROM", "shop.example"),
    ]
    kinds = {"mail_settings": lambda _: urls("smtp", "submission") | st.text("abc", min_size=8).map("file://{}".format)}

    def test_a_mail_folder_is_absolute(self) -> None:
        assert load(Environment, {"EMAIL_URL": "file:///var/spool/shop"}).email["EMAIL_FILE_PATH"] == "/var/spool/shop"

    @pytest.mark.parametrize(("scheme", "port", "tls"), [("smtp", 25, False), ("submission", 587, True)])
    def test_a_mail_server_has_its_port_login_and_timeout(self, scheme: str, port: int, tls: bool) -> None:
        email = load(Environment, {"EMAIL_URL": f"{scheme}://shop:a%40b@mail.example"}).email
        expected = {
            "HOST": "mail.example",
            "PORT": port,
            "HOST_USER": "shop",
            "HOST_PASSWORD": "a@b",
            "USE_TLS": tls,
            "TIMEOUT": 10,
        }
        assert {name: email[f"EMAIL_{name}"] for name in expected} == expected
