from __future__ import annotations

import catalogue
import pytest

from load import settings


def test_without_settings_the_services_are_on_loopback() -> None:
    chosen = settings.load({})
    assert set(chosen.service_urls) == set(catalogue.load().public())
    assert {"users", "inventory", "orders", "notifications"} <= set(chosen.service_urls)
    settings.refuse_remote(chosen)


def test_an_address_from_the_environment_replaces_the_default() -> None:
    chosen = settings.load({"ORDERS_URL": "http://localhost:9003/", "TRACE_URL": "http://localhost/t/{trace_id}"})
    assert chosen.service_urls["orders"] == "http://localhost:9003"
    assert chosen.trace_link("abc") == "http://localhost/t/abc"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_loopback_is_allowed(host: str) -> None:
    settings.refuse_remote(settings.load({"USERS_URL": f"http://{host}:8001"}))


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "0.0.0.0", "192.168.1.2", "[2001:db8::1]", "name.invalid", "127.0.0.1.name.invalid", "a..b"]
)
def test_anything_else_is_refused_and_named(host: str) -> None:
    with pytest.raises(settings.SettingsError) as refusal:
        settings.refuse_remote(settings.load({"USERS_URL": f"http://{host}:8001"}))
    assert f"http://{host}:8001" in str(refusal.value)
    assert "--allow-remote" in str(refusal.value)


def test_load_may_leave_loopback_with_the_option() -> None:
    settings.refuse_remote(settings.load({"USERS_URL": "http://192.0.2.1:8001", "LOAD_ALLOW_REMOTE": "on"}))


def test_a_name_that_resolves_to_loopback_and_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(settings.socket, "getaddrinfo", resolve)
    assert not settings.is_loopback("both.example")


def test_every_wrong_variable_is_named_at_once() -> None:
    with pytest.raises(settings.SettingsError) as refusal:
        settings.load(
            {
                "USERS_URL": "ftp://x",
                "ORDERS_URL": "http://x/path",
                "TRACE_URL": "http://x",
                "TRAFFIC_USERS": "none",
                "LOAD_ALLOW_REMOTE": "yes",
            }
        )
    for name in ("USERS_URL", "ORDERS_URL", "TRACE_URL", "TRAFFIC_USERS", "LOAD_ALLOW_REMOTE"):
        assert name in str(refusal.value), f"expected {name} to be named, got {refusal.value}"
