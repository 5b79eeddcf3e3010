"""The Django app."""

from django.apps import AppConfig


class TopologyConfig(AppConfig):
    """topology in INSTALLED_APPS."""

    name = "topology"
    verbose_name = "Services"
