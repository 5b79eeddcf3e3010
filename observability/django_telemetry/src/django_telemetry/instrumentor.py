"""Installs the middleware through OpenTelemetry's Django instrumentor, so that Django counts as instrumented."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from opentelemetry.instrumentation.django import DjangoInstrumentor

MIDDLEWARE = "django_telemetry.middleware.TelemetryMiddleware"


class TelemetryInstrumentor(DjangoInstrumentor):
    """DjangoInstrumentor with TelemetryMiddleware instead of the package's middleware."""

    _opentelemetry_middleware = MIDDLEWARE

    def _instrument(self, **kwargs: Any) -> None:
        if MIDDLEWARE not in settings.MIDDLEWARE:
            settings.MIDDLEWARE = [MIDDLEWARE, *settings.MIDDLEWARE]


def instrument() -> None:
    """Install the middleware unless MIDDLEWARE lists it, and mark Django as instrumented."""
    instrumentor = TelemetryInstrumentor()
    # Both classes share one instance, so that opentelemetry-instrument and other packages find Django instrumented.
    DjangoInstrumentor._instance = instrumentor
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(skip_dep_check=True)
