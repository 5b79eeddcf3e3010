"""The Django app."""

from django.apps import AppConfig


class TracesConfig(AppConfig):
    """traces in INSTALLED_APPS."""

    name = "traces"
    verbose_name = "Traces"
