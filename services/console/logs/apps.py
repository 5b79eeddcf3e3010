"""The Django app."""

from django.apps import AppConfig


class LogsConfig(AppConfig):
    """logs in INSTALLED_APPS."""

    name = "logs"
    verbose_name = "Logs"
