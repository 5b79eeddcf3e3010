"""The measured Django project, in one of its variants."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

# Variant → (TELEMETRY_HTTP, TELEMETRY_SIGNALS). "bare" has nothing installed.
VARIANTS: dict[str, tuple[str, str]] = {
    "bare": ("", ""),
    "ours-traces": ("onepass", "traces"),
    "ours-metrics": ("onepass", "metrics"),
    "ours-logs": ("onepass", "logs"),
    "ours-errors": ("onepass", "errors"),
    "ours-all": ("onepass", "traces,metrics,logs,errors"),
    "stock-traces": ("stock", "traces"),
    "stock-metrics": ("stock", "metrics"),
    "stock-logs": ("stock", "logs"),
    "stock-errors": ("stock", "errors"),
    "stock-all": ("stock", "traces,metrics,logs,errors"),
}

# What a typical project configures with python-json-logger.
STOCK_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "pythonjsonlogger.json.JsonFormatter", "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["stdout"], "level": "INFO"},
}


def prepare(variant: str, *, sampled: bool, sink: str) -> None:
    """Set the environment for ``variant``; ``sink`` is the URL of a backend that accepts everything."""
    http, signals = VARIANTS[variant]
    for name in [name for name in os.environ if name.startswith(("TELEMETRY_", "OTEL_", "SENTRY_"))]:
        del os.environ[name]
    os.environ["OTEL_SERVICE_NAME"] = "bench"
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink
    os.environ["OTEL_TRACES_SAMPLER"] = "parentbased_always_on" if sampled else "parentbased_always_off"
    if http:
        os.environ["TELEMETRY_HTTP"] = http
        os.environ["TELEMETRY_SIGNALS"] = signals
    if "errors" in signals:
        os.environ["SENTRY_DSN"] = sink.replace("://", "://key@") + "/1"


def settings_for(variant: str, urlconf: str, database_url: str = "") -> dict[str, Any]:
    """Django settings of ``variant``. With ``database_url``, the engine is PostgreSQL as wrapped by the packages."""
    http, _ = VARIANTS[variant]
    installed = ["rest_framework", "benchmarks"] if database_url else []
    settings: dict[str, Any] = {
        "SECRET_KEY": "only-for-benchmarks-0123456789-0123456789-0123456789",
        "ALLOWED_HOSTS": ["*"],
        "ROOT_URLCONF": urlconf,
        "USE_TZ": True,
        "INSTALLED_APPS": [*installed, "django_telemetry"] if http else installed,
        "MIDDLEWARE": ["django.middleware.common.CommonMiddleware"] if database_url else [],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "REST_FRAMEWORK": {"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
    }
    if http == "onepass":
        settings["MIDDLEWARE"] = ["django_telemetry.middleware.TelemetryMiddleware", *settings["MIDDLEWARE"]]
        settings["LOGGING_CONFIG"] = "django_telemetry.logs.configure"
    elif http == "stock":
        settings["LOGGING"] = STOCK_LOGGING
    if database_url:
        parts = urlsplit(database_url)
        settings["DATABASES"] = {
            "default": {
                "ENGINE": "django_prometheus.db.backends.postgresql" if http else "django.db.backends.postgresql",
                "HOST": parts.hostname,
                "PORT": parts.port or 5432,
                "USER": parts.username or "",
                "PASSWORD": parts.password or "",
                "NAME": parts.path.lstrip("/"),
                "CONN_MAX_AGE": None,
            }
        }
    return settings
