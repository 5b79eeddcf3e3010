"""Keys are fetched rarely, cached while users is down, and never fetched by many requests at once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from contracts.api.authentication import (
    EMPTY_COOLDOWN_SECONDS,
    KEYS_COOLDOWN_SECONDS,
    KEYS_TTL_SECONDS,
    KeysUnavailable,
    RemoteKeys,
)
from contracts.testing.tokens import private_key


class Users:
    """A stub of the users service's JWKS."""

    def __init__(self, *key_ids: str) -> None:
        self.key_ids = key_ids
        self.calls = 0
        self.away = False
        self.now = 1000.0

    def fetch(self) -> dict[str, Any]:
        self.calls += 1
        if self.away:
            raise ConnectionError("users is down")
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key().public_key()))
        return {"keys": [{**key, "kid": key_id, "use": "sig"} for key_id in self.key_ids]}

    def keys(self) -> RemoteKeys:
        return RemoteKeys(self.fetch, clock=lambda: self.now)


def test_keys_are_fetched_once_and_then_cached() -> None:
    users = Users("a")
    keys = users.keys()
    assert [keys.key("a") is not None for _ in range(5)] == [True] * 5
    assert users.calls == 1


def test_keys_are_fetched_again_after_their_ttl() -> None:
    users = Users("a")
    keys = users.keys()
    keys.key("a")
    users.now += KEYS_TTL_SECONDS + 1
    keys.key("a")
    assert users.calls == 2


def test_cached_keys_stay_in_use_while_users_is_down() -> None:
    users = Users("a")
    keys = users.keys()
    keys.key("a")
    users.away = True
    users.now += KEYS_TTL_SECONDS + 1
    assert keys.key("a") is not None


def test_without_any_key_and_without_users_the_error_is_keys_unavailable_and_it_recovers() -> None:
    users = Users("a")
    users.away = True
    keys = users.keys()
    with pytest.raises(KeysUnavailable):
        keys.key("a")
    users.away = False
    users.now += EMPTY_COOLDOWN_SECONDS + 0.1
    assert keys.key("a") is not None


def test_a_new_key_is_found_after_a_rotation() -> None:
    users = Users("old")
    keys = users.keys()
    keys.key("old")
    users.key_ids = ("old", "new")
    users.now += KEYS_COOLDOWN_SECONDS + 1
    assert keys.key("new") is not None


def test_forged_key_ids_trigger_at_most_one_fetch_per_cooldown() -> None:
    users = Users("a")
    keys = users.keys()
    keys.key("a")
    users.now += KEYS_COOLDOWN_SECONDS + 1
    for number in range(50):
        with pytest.raises(KeyError):
            keys.key(f"forged-{number}")
    assert users.calls == 2


def test_requests_do_not_each_fetch_while_users_is_down_and_no_key_is_cached() -> None:
    users = Users("a")
    users.away = True
    keys = users.keys()
    for _ in range(50):
        with pytest.raises(KeysUnavailable):
            keys.key("a")
    assert users.calls == 1


def test_requests_during_the_first_fetch_wait_for_its_result() -> None:
    users = Users("a")
    asked, answer = threading.Event(), threading.Event()

    def slow_fetch() -> dict[str, Any]:
        asked.set()
        assert answer.wait(10)
        return users.fetch()

    keys = RemoteKeys(slow_fetch, clock=lambda: users.now)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(keys.key, "a")
        assert asked.wait(10)
        second = threads.submit(keys.key, "a")
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        answer.set()
        assert first.result(10) is not None
        assert second.result(10) is not None
    assert users.calls == 1
