"""The Django app: starts the configured signals once, when Django is ready."""

from __future__ import annotations

import logging
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from prometheus_client import disable_created_metrics

from . import (
    __version__,
    _carrying,
    checks,
    db,
    errors,
    exposition,
    lifecycle,
    logs,
    metrics,
    middleware,
    orm,
    redaction,
    tracing,
)
from ._fork import in_worker
from .conf import TelemetryConfig, get_config
from .instrumentor import instrument
from .pipeline import SpanPipeline

logger = logging.getLogger(__name__)

_ready = False


class DjangoTelemetryConfig(AppConfig):
    """The app config that INSTALLED_APPS = ["django_telemetry"] selects."""

    name = "django_telemetry"
    label = "django_telemetry"
    verbose_name = "Telemetry"

    def ready(self) -> None:
        """Start the configured signals. Raises ImproperlyConfigured for a wrong setting."""
        global _ready
        if _ready:  # a second apps registry (tests) must not start a second pipeline
            return
        _ready = True
        start(get_config())
        checks.connect()


def start(config: TelemetryConfig) -> None:
    """Start every signal that ``config`` enables."""
    redaction.configure(config.redact_keys)
    metrics.set_series_limit(config.series_limit)
    if settings.LOGGING_CONFIG == "django_telemetry.logs.configure" and not logs.is_configured():
        # Django calls LOGGING_CONFIG only when LOGGING isn't empty.
        logs.configure(settings.LOGGING)
        # Each django.setup() installs Django's own handlers first. With this it calls LOGGING_CONFIG again as well.
        settings.LOGGING = settings.LOGGING or {"version": 1}
    if config.ignored:
        logger.warning("These environment variables have no effect on telemetry:\n  %s", "\n  ".join(config.ignored))
    if config.http == "stock":
        import_module("django_telemetry.stock").start(config)
        return
    if config.on("traces"):
        _start_traces(config)
    if config.on("errors"):
        transport = errors.configure(config)
        if transport is not None:
            lifecycle.at_exit(transport, config.shutdown_timeout)
    if config.on("metrics"):
        _start_metrics(config)
    if config.signals:
        db.install()
        _carrying.install()
        middleware.connect_signals()
        instrument()
    if config.on("logs"):
        lifecycle.at_exit(logs.writer(), config.shutdown_timeout)


def _start_traces(config: TelemetryConfig) -> None:
    provider = tracing.build_provider(config)
    if config.export_traces:
        pipeline = SpanPipeline(config)
        provider.add_span_processor(pipeline)
        lifecycle.at_exit(pipeline, config.shutdown_timeout)
    tracing.install(config, provider)
    tracing.set_tracing(tracing.Tracing(config, provider))


def _start_metrics(config: TelemetryConfig) -> None:
    disable_created_metrics()  # drops the unused *_created series of each counter and histogram
    metrics.build_info.labels(__version__).set(1)
    metrics.service_build_info.labels(config.service_name, config.service_version).set(1)
    metrics.registry.register(db.PoolCollector())
    orm.prepare()
    server = exposition.start(config, metrics.registry)
    if server is not None:
        lifecycle.at_exit(server, config.shutdown_timeout)
        in_worker(orm.watch_migrations)
