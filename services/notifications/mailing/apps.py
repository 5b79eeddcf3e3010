"""The app's registration."""

from importlib import import_module

from django.apps import AppConfig


class MailingConfig(AppConfig):
    """Mails about orders."""

    name = "mailing"

    def ready(self) -> None:
        """Create the metrics now, so that every series is exported as 0 before the first request or message."""
        import_module("mailing.metrics")
