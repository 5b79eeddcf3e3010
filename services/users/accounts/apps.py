"""The app of this service."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class AccountsConfig(AppConfig):
    """Accounts; refuses to start with a key file that isn't a usable key."""

    name = "accounts"

    def ready(self) -> None:
        """Read the key files, so that a wrong one stops the start and not the first login."""
        from accounts.keys import key_ring

        if settings.JWT_PRIVATE_KEY_FILE is not None:
            key_ring()
