"""The Django app."""

from django.apps import AppConfig


class BoardsConfig(AppConfig):
    """Dashboards."""

    name = "boards"
