"""The users service: called only for the keys that verify access tokens."""

from __future__ import annotations

from typing import Any

from contracts.api.authentication import RemoteKeys
from django.conf import settings
from django_telemetry.http import RetryPolicy, Session

DEPENDENCY = "users"
KEY_SET = "/.well-known/jwks.json"
# A client waits for this, but only for the first token after the start and after a key rotation.
TIMEOUT_SECONDS = 2.0


class UsersClient:
    """The users service's public endpoints."""

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._session = Session(DEPENDENCY, base_url, timeout=timeout, retries=RetryPolicy(attempts=2))

    def jwks(self) -> dict[str, Any]:
        """Return the key set (RFC 7517). Raises DependencyError, or requests' errors if the answer isn't one."""
        answer = self._session.request("GET", KEY_SET)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


def user_keys() -> RemoteKeys:
    """Return the keys of settings.USERS_URL; the target of settings.ACCESS_TOKEN_KEY_SOURCE."""
    return RemoteKeys(UsersClient(settings.USERS_URL).jwks)
