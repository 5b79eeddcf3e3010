"""The incidents app."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """Incidents."""

    name = "incidents"
    verbose_name = "Incidents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the metrics, so that they are exported as 0 before the first alert."""
        from incidents import metrics  # noqa: F401
