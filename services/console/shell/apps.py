"""The Django app."""

from django.apps import AppConfig


class ShellConfig(AppConfig):
    """shell in INSTALLED_APPS."""

    name = "shell"
    verbose_name = "Shell"
