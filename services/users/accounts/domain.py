"""Sign-up and login."""

from __future__ import annotations

import logging

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from accounts import metrics, sessions
from accounts.models import User
from accounts.sessions import TokenPair
from accounts.throttling import ACCOUNT, NETWORK, PAIR, SIGN_UP, Throttled, attempt

logger = logging.getLogger(__name__)


class EmailTaken(Exception):
    """The e-mail address already has an account."""


class InvalidCredentials(Exception):
    """No active account has that address and password. The error doesn't disclose which of the two is wrong."""


def sign_up(email: str, password: str, name: str, network: str | None = None) -> User:
    """Create an account. Raises EmailTaken when the address already has one; case is ignored.

    `network` is the client's, None for no limit by network. Raises throttling.Throttled.
    """
    try:
        # Not taken back: a sign-up, successful or not, shows whether an address has an account.
        attempt([(SIGN_UP, network)] if network else [])
    except Throttled:
        metrics.sign_ups_throttled_total.inc()
        raise
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


def log_in(email: str, password: str, network: str | None = None) -> TokenPair:
    """Issue tokens for an e-mail address and password. Raises InvalidCredentials in every other case.

    An unknown address costs the same password hash as a known one, so that response time doesn't reveal which exist.
    `network` is the client's, None for no limit by network. Raises throttling.Throttled, also for an unknown address.
    """
    address = User.objects.normalize_email(email)
    try:
        counted = attempt(
            [(ACCOUNT, address), (PAIR, f"{address} {network or ''}"), *([(NETWORK, network)] if network else [])]
        )
    except Throttled:
        metrics.logins_total.labels("throttled").inc()
        raise
    user = User.objects.filter(email=address).first()
    if user is None:
        make_password(password)
        raise _refused("invalid_credentials", None)
    if not user.check_password(password):
        raise _refused("invalid_credentials", user)
    if not user.is_active:
        raise _refused("inactive", user)
    counted.succeeded(PAIR)
    metrics.logins_total.labels("ok").inc()
    logger.info("Logged in", extra={"user.id": str(user.id)})
    return sessions.begin(user)


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
