"""Fixtures: accounts, tokens and headers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from accounts import domain
from accounts.keys import key_ring
from accounts.models import User
from contracts.testing import tokens
from contracts.testing.plugin import SERVICE_TOKENS

PASSWORD = "a long and rare passphrase"

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _test_tokens_name_the_services_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared test tokens are signed with this service's key; set the key id that this service expects."""
    monkeypatch.setattr(tokens, "KEY_ID", key_ring().key_id)


@pytest.fixture
def user(db: None) -> User:
    """An account whose password is PASSWORD."""
    return domain.sign_up(f"person{next(_numbers)}@example.com", PASSWORD, "Person")


@pytest.fixture
def bearer() -> Callable[[str], dict[str, str]]:
    """Authorization headers with a token."""
    return lambda token: {"authorization": f"Bearer {token}"}


@pytest.fixture
def service_headers() -> dict[str, str]:
    """Authorization headers of the orders service."""
    return {"authorization": f"Bearer {SERVICE_TOKENS['orders']}"}
