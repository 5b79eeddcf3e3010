"""Accounts."""

from __future__ import annotations

import uuid
from typing import ClassVar

from contracts import text
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Creates and finds accounts by e-mail address, ignoring case."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is stored and compared (text.email): lower case, also before the @.

        What isn't an address has no normal form, and is compared in lower case: older accounts may have such a one.
        """
        try:
            return text.email(email or "")
        except text.InvalidText:
            return (email or "").lower()


class Session(models.Model):
    """A login: the refresh token that is valid now. Each renewal replaces it; without a row no token is valid."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey("User", on_delete=models.CASCADE, related_name="sessions")
    token_id = models.CharField(max_length=64)
    # The token before: a client whose answer was lost, or with two parallel renewals, sends it again shortly after.
    previous_token_id = models.CharField(max_length=64, blank=True)
    rotated_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "expires_at"], name="session_of_user")]

    def __str__(self) -> str:
        return str(self.id)


class Throttle(models.Model):
    """Recent attempts under one key (accounts.throttling): how many, and when the next is accepted."""

    key = models.CharField(max_length=80, primary_key=True, help_text="Its kind, and a keyed hash of its subject.")
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    forgotten_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["forgotten_at"], name="throttle_forgotten")]

    def __str__(self) -> str:
        return self.key


class User(AbstractBaseUser):
    """An account. The e-mail address is unique regardless of case; there is no user name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_login = None

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            # Together with the unique index, this makes addresses unique regardless of case.
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
            models.CheckConstraint(condition=~models.Q(name=""), name="user_has_name"),
        ]

    def __str__(self) -> str:
        return str(self.id)
