"""The dependencies, one class for each: their addresses, timeouts and retries."""

from __future__ import annotations

from typing import Any

from contracts.api.authentication import RemoteKeys
from django.conf import settings
from django_telemetry.http import RetryPolicy, Session

USERS = "users"
KEY_SET = "/.well-known/jwks.json"
# A person waits for this, though only for the first token after the start and after a change of keys.
TIMEOUT_SECONDS = 2.0


class UsersClient:
    """The public addresses of users."""

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._session = Session(USERS, base_url, timeout=timeout, retries=RetryPolicy(attempts=2))

    def jwks(self) -> dict[str, Any]:
        """The key set (RFC 7517). Raises DependencyError, or requests' errors for an answer that isn't a key set."""
        answer = self._session.request("GET", KEY_SET)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


def user_keys() -> RemoteKeys:
    """What settings.ACCESS_TOKEN_KEY_SOURCE names: the keys of settings.USERS_URL."""
    return RemoteKeys(UsersClient(settings.USERS_URL).jwks)
