"""Sessions: a login's refresh tokens. Each renewal replaces the token; a replaced token ends the session."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from accounts import metrics
from accounts.models import Session, User
from accounts.tokens import RefreshToken

logger = logging.getLogger(__name__)

SESSION_CLAIM = "sid"
# A client repeats a renewal whose answer was lost, or renews twice in parallel.
REPEATED_WITHIN = timedelta(seconds=10)


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


def begin(user: User) -> TokenPair:
    """Begin a session. Deletes the user's expired ones."""
    token = RefreshToken.for_user(user)
    expires_at = datetime.fromtimestamp(token["exp"], UTC)
    Session.objects.filter(user=user, expires_at__lt=timezone.now()).delete()
    session = Session.objects.create(user=user, token_id=token["jti"], expires_at=expires_at)
    token[SESSION_CLAIM] = str(session.id)
    return _pair(token)


def renew(text: str) -> TokenPair:
    """Replace a refresh token by a new one with the same end, and issue an access token. Raises RefreshRefused."""
    token = _parsed(text)
    with transaction.atomic():
        session = _session(token)
        if session is None or not session.user.is_active:
            raise RefreshRefused
        if session.token_id == token["jti"]:
            token.set_jti()
            session.previous_token_id, session.token_id = session.token_id, token["jti"]
            session.rotated_at = timezone.now()
            session.save(update_fields=["token_id", "previous_token_id", "rotated_at"])
            return _pair(token)
        if _is_repeated(session, token):
            # The token that the client didn't receive, again.
            token["jti"] = session.token_id
            return _pair(token)
        # A copy of the token is in other hands, and it is unknown in whose: neither holder keeps the session.
        session.delete()
    metrics.refresh_tokens_reused_total.inc()
    logger.warning("A replaced refresh token was sent again; its session ends", extra={"user.id": str(session.user_id)})
    raise RefreshRefused


def end(text: str) -> None:
    """End the session of a refresh token. Does nothing for a token that is not valid."""
    try:
        session = _session(_parsed(text))
    except RefreshRefused:
        return
    if session is not None:
        session.delete()
        logger.info("Logged out", extra={"user.id": str(session.user_id)})


def _is_repeated(session: Session, token: RefreshToken) -> bool:
    is_recent = timezone.now() - session.rotated_at <= REPEATED_WITHIN
    return is_recent and session.previous_token_id == token["jti"]


def _parsed(text: str) -> RefreshToken:
    try:
        return RefreshToken(text)  # type: ignore[arg-type]  # simplejwt's annotation is wrong: it takes the string
    except ExpiredTokenError:
        raise RefreshRefused(expired=True) from None
    except TokenError:
        raise RefreshRefused from None


def _session(token: RefreshToken) -> Session | None:
    """Return the token's session, locked within a transaction; None when it has ended."""
    sessions = Session.objects.select_related("user")
    if transaction.get_connection().in_atomic_block:
        sessions = sessions.select_for_update(of=("self",))
    try:
        return sessions.filter(pk=token.get(SESSION_CLAIM), user_id=token.get("user_id")).first()
    except ValidationError:
        return None


def _pair(token: tokens.RefreshToken) -> TokenPair:
    access = token.access_token
    # Other services have no use for it.
    access.payload.pop(SESSION_CLAIM, None)
    return TokenPair(access=str(access), refresh=str(token))
