"""Django system checks for settings that would silently break telemetry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Info, Warning, register

from ._http_metrics import counting_middlewares
from .conf import TelemetryConfig, get_config
from .instrumentor import MIDDLEWARE

TAG = "telemetry"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Middleware that duplicates the work of TelemetryMiddleware.
_DOUBLED_MIDDLEWARE = {
    "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware": "a second span",
}
# Instrumentations that would create the same spans a second time.
_DOUBLED_INSTRUMENTATION = (
    ("opentelemetry.instrumentation.psycopg", "PsycopgInstrumentor"),
    ("opentelemetry.instrumentation.psycopg2", "Psycopg2Instrumentor"),
    ("opentelemetry.instrumentation.sqlite3", "SQLite3Instrumentor"),
    ("opentelemetry.instrumentation.mysqlclient", "MySQLClientInstrumentor"),
    ("opentelemetry.instrumentation.pika", "PikaInstrumentor"),
)


def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Run all checks; ``manage.py check --tag telemetry`` runs only these."""
    config = get_config()
    if config.http != "onepass" or not config.signals:
        return []
    return [
        *_middleware_order(),
        *_doubled(),
        *_logging(config),
        *_database_engines(config),
        *_open_metrics_port(config),
    ]


def _middleware_order() -> list[CheckMessage]:
    position = settings.MIDDLEWARE.index(MIDDLEWARE) if MIDDLEWARE in settings.MIDDLEWARE else 0
    if position == 0:
        return []
    return [
        Warning(
            f"{MIDDLEWARE} is number {position + 1} in MIDDLEWARE.",
            hint="Put it first: what the middlewares before it do is in no span, and what they answer isn't counted.",
            id="django_telemetry.W001",
        )
    ]


def _doubled() -> list[CheckMessage]:
    messages: list[CheckMessage] = [
        Warning(
            f"{name} is in MIDDLEWARE beside {MIDDLEWARE}.",
            hint=f"Remove it, or there is {effect}.",
            id="django_telemetry.W002",
        )
        for name, effect in _DOUBLED_MIDDLEWARE.items()
        if name in settings.MIDDLEWARE
    ]
    messages += [
        Warning(
            f"{name} counts requests beside {MIDDLEWARE}.",
            hint="Remove it to have exemplars at less cost, or keep it for labels of your own: "
            "the django_http_* metrics are its own as long as MIDDLEWARE lists it.",
            id="django_telemetry.W006",
        )
        for name in counting_middlewares()
    ]
    for module, name in _DOUBLED_INSTRUMENTATION:
        loaded = sys.modules.get(module)  # a module that isn't imported isn't active
        if loaded is not None and getattr(loaded, name)().is_instrumented_by_opentelemetry:
            messages.append(
                Warning(
                    f"{name} is active beside django_telemetry.",
                    hint="Leave it out: django_telemetry makes these spans itself, and there would be two of each.",
                    id="django_telemetry.W003",
                )
            )
    return messages


def _logging(config: TelemetryConfig) -> list[CheckMessage]:
    if not config.on("logs") or settings.LOGGING_CONFIG == "django_telemetry.logs.configure":
        return []
    return [
        Warning(
            f"LOGGING_CONFIG is {settings.LOGGING_CONFIG!r}.",
            hint='Set LOGGING_CONFIG = "django_telemetry.logs.configure" (LOGGING applies on top of it), or leave logs '
            "out of TELEMETRY_SIGNALS.",
            id="django_telemetry.W004",
        )
    ]


def _database_engines(config: TelemetryConfig) -> list[CheckMessage]:
    if not config.on("metrics"):
        return []
    return [
        Info(
            f"Database {alias!r} uses {options['ENGINE']}.",
            hint=f"With {options['ENGINE'].replace('django.db', 'django_prometheus.db', 1)} there are also the "
            "django_db_* metrics. Spans and dependency_call_duration_seconds work with any engine.",
            id="django_telemetry.I001",
        )
        for alias, options in settings.DATABASES.items()
        if options.get("ENGINE", "").startswith("django.db.backends.") and not options["ENGINE"].endswith(".dummy")
    ]


def _open_metrics_port(config: TelemetryConfig) -> list[CheckMessage]:
    if config.metrics_port is None or config.metrics_host in LOOPBACK or config.metrics_token:
        return []
    return [
        Warning(
            f"The metrics port listens on {config.metrics_host} without a token.",
            hint="Set TELEMETRY_METRICS_TOKEN, or TELEMETRY_METRICS_HOST to an address that only Prometheus reaches.",
            id="django_telemetry.W005",
        )
    ]


def connect() -> None:
    """Register the checks with Django."""
    register(check_settings, TAG)
