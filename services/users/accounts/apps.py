"""The app of this service."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class AccountsConfig(AppConfig):
    """Accounts. Startup fails on a key file that holds no usable key."""

    name = "accounts"

    def ready(self) -> None:
        """Load the key files, so that an invalid one stops the start rather than the first login."""
        from accounts.keys import key_ring

        if settings.JWT_PRIVATE_KEY_FILE is not None:
            key_ring()
