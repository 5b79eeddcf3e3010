"""Accounts."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower


class UserManager(BaseUserManager["User"]):
    """Accounts by e-mail address, whatever its case."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """The form in which addresses are stored and compared: lower case, the part before the @ too."""
        return (email or "").lower()


class User(AbstractBaseUser):
    """An account. The e-mail address is unique whatever its case; there is no user name."""

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
            # With the unique index this makes addresses unique whatever their case.
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
            models.CheckConstraint(condition=~models.Q(name=""), name="user_has_name"),
        ]

    def __str__(self) -> str:
        return str(self.id)
