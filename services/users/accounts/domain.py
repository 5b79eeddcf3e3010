"""Sign-up, login and token renewal."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from accounts import metrics
from accounts.models import User
from accounts.tokens import RefreshToken

logger = logging.getLogger(__name__)


class EmailTaken(Exception):
    """The e-mail address already has an account."""


class InvalidCredentials(Exception):
    """No active account has that address and password. The error doesn't disclose which of the two is wrong."""


class RefreshRefused(Exception):
    """The refresh token is not accepted. `expired` is true when it was valid earlier."""

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__()
        self.expired = expired


@dataclass(frozen=True)
class TokenPair:
    """A new access token, and the refresh token that renews it."""

    access: str
    refresh: str


def sign_up(email: str, password: str, name: str) -> User:
    """Create an account. Raises EmailTaken when the address already has one; case is ignored."""
    user = User(email=User.objects.normalize_email(email), name=name)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise EmailTaken from None
        raise
    metrics.users_signed_up_total.inc()
    logger.info("Account created", extra={"user.id": str(user.id)})
    return user


def log_in(email: str, password: str) -> TokenPair:
    """Issue tokens for an e-mail address and password. Raises InvalidCredentials in every other case.

    An unknown address costs the same password hash as a known one, so that response time doesn't reveal which exist.
    """
    user = User.objects.filter(email=User.objects.normalize_email(email)).first()
    if user is None:
        make_password(password)
        raise _refused("invalid_credentials", None)
    if not user.check_password(password):
        raise _refused("invalid_credentials", user)
    if not user.is_active:
        raise _refused("inactive", user)
    metrics.logins_total.labels("ok").inc()
    logger.info("Logged in", extra={"user.id": str(user.id)})
    refresh = RefreshToken.for_user(user)
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh))


def refresh(token: str) -> TokenPair:
    """Issue a new access token for a refresh token, whose lifetime stays unchanged. Raises RefreshRefused."""
    try:
        parsed = RefreshToken(token)  # type: ignore[arg-type]  # simplejwt's annotation is wrong: it takes the string
        user = User.objects.get(pk=parsed["user_id"])
    except ExpiredTokenError:
        raise RefreshRefused(expired=True) from None
    except (TokenError, KeyError, User.DoesNotExist, ValidationError):
        raise RefreshRefused from None
    if not user.is_active:
        raise RefreshRefused
    return TokenPair(access=str(parsed.access_token), refresh=token)


def active_user(user_id: str) -> User | None:
    """Return the token's account; None when it was deleted or deactivated after the token was issued."""
    try:
        return User.objects.filter(pk=user_id, is_active=True).first()
    except ValidationError:
        return None


def _refused(outcome: str, user: User | None) -> InvalidCredentials:
    metrics.logins_total.labels(outcome).inc()
    extra = {"event.outcome": "failure", "event.reason": outcome}
    logger.info("Login refused", extra=extra if user is None else {**extra, "user.id": str(user.id)})
    return InvalidCredentials()
