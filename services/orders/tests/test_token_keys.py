"""Access tokens are verified with users' keys, fetched over REST and cached."""

from __future__ import annotations

import json

import pytest
from contracts.api.authentication import KeysUnavailable
from contracts.testing.tokens import KEY_ID, private_key
from jwt.algorithms import RSAAlgorithm
from ordering.clients import token_keys

from tests.conftest import World


def test_a_key_is_fetched_from_users_once(world: World) -> None:
    public = private_key().public_key()
    world.users.jwks = {
        "keys": [{**json.loads(RSAAlgorithm.to_jwk(public)), "kid": KEY_ID, "use": "sig", "alg": "RS256"}]
    }
    keys = token_keys()
    assert keys.key(KEY_ID).public_numbers() == public.public_numbers()
    world.users.stop()
    assert keys.key(KEY_ID).public_numbers() == public.public_numbers(), "users may be down by now"
    assert [request.path for request in world.users.requests] == ["/.well-known/jwks.json"]


def test_while_users_is_down_and_no_keys_are_cached_users_is_named(world: World) -> None:
    world.users.stop()
    with pytest.raises(KeysUnavailable):
        token_keys().key(KEY_ID)
