"""Authentication: users by access token (RS256, verified offline), services by their own token."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import jwt
from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from contracts.api.problems import DependencyUnavailable

logger = logging.getLogger(__name__)

ALGORITHM = "RS256"
KEYS_TTL_SECONDS = 300.0
# Unknown key ids trigger a fetch at most this often: forged tokens must not cause load on users.
KEYS_COOLDOWN_SECONDS = 10.0
# While no key is known at all, every request needs one: fetch more often, but not for each request.
EMPTY_COOLDOWN_SECONDS = 1.0


@dataclass(frozen=True)
class Person:
    """The holder of a valid access token."""

    id: str
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> str:
        """Return the id under the name that Django's permission code uses."""
        return self.id


@dataclass(frozen=True)
class CallingService:
    """A service that sent a valid service token."""

    name: str
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> str:
        """Return the name under the name that Django's permission code uses."""
        return self.name


class KeysUnavailable(Exception):
    """No key set could be fetched and none is cached."""


class KeySource(Protocol):
    """Finds the public key of a key id. Raises KeyError (unknown id) or KeysUnavailable."""

    def key(self, key_id: str) -> Any: ...


class RemoteKeys:
    """The keys of the users service: fetched on demand, cached for KEYS_TTL_SECONDS, and longer while users is down.

    `fetch` returns the JWKS document and must have a deadline. Thread-safe: one thread fetches; the others continue
    with the cached keys, or wait when the key they need isn't cached.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def key(self, key_id: str) -> Any:
        """Return the public key. KeyError: users doesn't know the id. KeysUnavailable: users is down; no key cached."""
        known = key_id in self._keys
        patience = KEYS_TTL_SECONDS if known else KEYS_COOLDOWN_SECONDS if self._keys else EMPTY_COOLDOWN_SECONDS
        if self._clock() - self._tried_at > patience:
            self._refresh(wait=not known)
        if not self._keys:
            raise KeysUnavailable
        return self._keys[key_id]

    def _refresh(self, *, wait: bool) -> None:
        asked_at = self._clock()
        if not self._lock.acquire(blocking=wait, timeout=5 if wait else -1):
            return
        try:
            if self._tried_at >= asked_at:
                return  # another thread fetched while this one waited
            document = self._fetch()
            self._keys = {
                entry["kid"]: jwt.PyJWK(entry, ALGORITHM).key
                for entry in document["keys"]
                if entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig"
            }
        except Exception as error:
            # Old keys are better than none: users stay logged in while the users service is down.
            logger.warning(
                "Token keys could not be refreshed; %d known keys stay in use", len(self._keys), exc_info=error
            )
        finally:
            # Only now: concurrent requests with an unknown key wait for the result instead of failing.
            self._tried_at = self._clock()
            self._lock.release()


@cache
def key_source() -> KeySource:
    """Return the process's key source: settings.ACCESS_TOKEN_KEY_SOURCE names a callable that creates it."""
    make: Callable[[], KeySource] = import_string(settings.ACCESS_TOKEN_KEY_SOURCE)
    return make()


def bearer_token(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer <token>`; None when the header is missing or of another scheme.

    Raises AuthenticationFailed when the scheme is Bearer and the rest is malformed.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token or " " in token or not token.isascii():
        raise AuthenticationFailed("The Authorization header is malformed.", code="malformed_authorization")
    return token


class AccessTokenAuthentication(BaseAuthentication):
    """A user's access token, verified offline with users' public keys: no database query and no call per request."""

    def authenticate(self, request: Request) -> tuple[Person, str] | None:
        """Return the user and the token. 401 when expired, forged or not an access token; 503 when no key is known."""
        token = bearer_token(request)
        if token is None:
            return None
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM:
                raise jwt.InvalidAlgorithmError
            key = key_source().key(str(header.get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=settings.ACCESS_TOKEN_AUDIENCE,
                issuer=settings.ACCESS_TOKEN_ISSUER,
                options={"require": ["exp", "iat", "user_id", "token_type"]},
            )
        except KeysUnavailable:
            raise DependencyUnavailable("users") from None
        except jwt.ExpiredSignatureError:
            raise AuthenticationFailed("The access token has expired.", code="token_expired") from None
        except (jwt.PyJWTError, KeyError):
            raise AuthenticationFailed("The access token is not valid.", code="token_invalid") from None
        if claims["token_type"] != "access":  # noqa: S105 (a kind of token, not a password)
            raise AuthenticationFailed("This is not an access token.", code="token_invalid")
        return Person(id=str(claims["user_id"])), token

    def authenticate_header(self, request: Request) -> str:
        """Return the WWW-Authenticate header of a 401."""
        return 'Bearer realm="api"'


def service_of(token: str, accepted: Mapping[str, str]) -> str | None:
    """Return the name of the service that owns `token`, or None. Compares with each token in constant time."""
    found = None
    for name, known in accepted.items():
        if hmac.compare_digest(token.encode(), known.encode()):
            found = name
    return found


class ServiceTokenAuthentication(BaseAuthentication):
    """Another service's token, against settings.SERVICE_TOKENS ({service: token})."""

    def authenticate(self, request: Request) -> tuple[CallingService, None] | None:
        """Return the calling service; 401 when the token belongs to no service."""
        token = bearer_token(request)
        if token is None:
            return None
        name = service_of(token, settings.SERVICE_TOKENS)
        if name is None:
            raise AuthenticationFailed("The service token is not valid.", code="token_invalid")
        return CallingService(name), None

    def authenticate_header(self, request: Request) -> str:
        """Return the WWW-Authenticate header of a 401."""
        return 'Bearer realm="internal"'


class IsPerson(BasePermission):
    """Allows only users with an access token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the caller is a user."""
        return isinstance(request.user, Person)


class IsService(BasePermission):
    """Allows only services."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the caller is a service."""
        return isinstance(request.user, CallingService)
