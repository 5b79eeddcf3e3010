"""Installs the middleware the way OpenTelemetry's own Django instrumentation does, so that others see it as done."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from opentelemetry.instrumentation.django import DjangoInstrumentor

MIDDLEWARE = "django_telemetry.middleware.TelemetryMiddleware"


class TelemetryInstrumentor(DjangoInstrumentor):
    """DjangoInstrumentor with our middleware in place of the package's."""

    _opentelemetry_middleware = MIDDLEWARE

    def _instrument(self, **kwargs: Any) -> None:
        if MIDDLEWARE not in settings.MIDDLEWARE:
            settings.MIDDLEWARE = [MIDDLEWARE, *settings.MIDDLEWARE]


def instrument() -> None:
    """Install the middleware unless the settings name it, and mark Django as instrumented."""
    instrumentor = TelemetryInstrumentor()
    # One instance for both classes: opentelemetry-instrument or another package must find Django instrumented.
    DjangoInstrumentor._instance = instrumentor
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(skip_dep_check=True)
