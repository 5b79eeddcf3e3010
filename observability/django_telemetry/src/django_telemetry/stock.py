"""TELEMETRY_HTTP=stock: the same packages with their own middleware, set up as their documentation describes.

It is the baseline of the benchmark and the reference of the equivalence test. It has the packages' known problems
(see the documentation), so don't use it in production.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable
from typing import Any

import sentry_sdk
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .conf import TelemetryConfig
from .exposition import start as start_exposition
from .metrics import registry
from .tracing import build_resource, build_sampler, install

BEFORE = "django_prometheus.middleware.PrometheusBeforeMiddleware"
AFTER = "django_prometheus.middleware.PrometheusAfterMiddleware"
ACCESS = "django_telemetry.stock.AccessLogMiddleware"
TELEMETRY = "django_telemetry.middleware.TelemetryMiddleware"


class AccessLogMiddleware:
    """Logs one line per request through the logging module, as a typical project does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._logger = logging.getLogger("stock.access")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        match = request.resolver_match
        context = trace.get_current_span().get_span_context()
        self._logger.info(
            "request",
            extra={
                "http.request.method": request.method,
                "http.response.status_code": response.status_code,
                "http.route": match.route if match is not None else None,
                "trace.id": f"{context.trace_id:032x}",
                "span.id": f"{context.span_id:016x}",
            },
        )
        return response


def start(config: TelemetryConfig) -> None:
    """Install the packages' own middleware for the signals that ``config`` enables."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    middleware = [name for name in settings.MIDDLEWARE if name != TELEMETRY]
    if config.on("logs"):
        middleware.insert(0, ACCESS)
    if config.on("metrics"):
        middleware = [BEFORE, *middleware, AFTER]
        start_exposition(config, registry)
    settings.MIDDLEWARE = middleware
    if config.on("traces"):
        provider = TracerProvider(sampler=build_sampler(config), resource=build_resource(config))
        if config.export_traces:
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=config.traces_endpoint)))
        install(config, provider)
        atexit.register(provider.shutdown)
        DjangoInstrumentor().instrument(tracer_provider=provider)
        _instrument_database(provider)
    if config.on("errors") and (config.sentry_dsn or config.sentry_spotlight):
        sentry_sdk.init(dsn=config.sentry_dsn or None, spotlight=config.sentry_spotlight or False)


def _instrument_database(provider: TracerProvider) -> None:
    try:
        import psycopg  # noqa: F401
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    except ImportError:  # another database, or the extra isn't installed
        return
    instrumentor: Any = PsycopgInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
