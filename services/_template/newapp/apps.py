"""The app's registration."""

from importlib import import_module

from django.apps import AppConfig


class NewAppConfig(AppConfig):
    """Records of confirmed orders."""

    name = "newapp"

    def ready(self) -> None:
        """Create the metrics now: every series exists, at 0, before the first request or message."""
        import_module("newapp.metrics")
