"""The app of the orders service."""

from django.apps import AppConfig


class OrderingConfig(AppConfig):
    """Orders."""

    name = "ordering"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the metrics, so that they are exported as 0 before the first order."""
        from ordering import clients, metrics  # noqa: F401

        clients.declare_edges()
