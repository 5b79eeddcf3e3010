"""Settings that are the same in every service, as values for its settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_BODY_BYTES = 64 * 1024

MIDDLEWARE = [
    # First, so that its span, log line and metrics cover all others.
    "django_telemetry.middleware.TelemetryMiddleware",
    "contracts.api.middleware.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]

# In the process's own memory: nothing in it needs to be shared or to outlive the process. Counted by django-prometheus.
CACHES: dict[str, Any] = {"default": {"BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache"}}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["contracts.api.authentication.AccessTokenAuthentication"],
    # Closed by default: a view that forgets to say is refused, not open.
    "DEFAULT_PERMISSION_CLASSES": ["contracts.api.authentication.IsPerson"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["contracts.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "contracts.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "contracts.api.openapi.ConventionSchema",
    "EXCEPTION_HANDLER": "contracts.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}


def spectacular(title: str, description: str, version: str) -> dict[str, Any]:
    """SPECTACULAR_SETTINGS of a service."""
    return {
        "TITLE": title,
        "DESCRIPTION": description,
        "VERSION": version,
        "SERVE_INCLUDE_SCHEMA": False,
        "SERVE_AUTHENTICATION": [],
        "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
        "COMPONENT_SPLIT_REQUEST": True,
        "SCHEMA_PATH_PREFIX": r"/(api|internal)/v[0-9]+",
        "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    }


def database(
    config: Mapping[str, Any], *, pool_max_size: int, test_name: str | None, idle_in_transaction_seconds: int = 30
) -> dict[str, Any]:
    """A service's entry in DATABASES: PostgreSQL through a pool, and nothing that waits for ever.

    `config` is what the URL says, `test_name` the database that tests create.
    """
    limits_ms = {
        "statement_timeout": 10_000,
        "lock_timeout": 5_000,
        "idle_in_transaction_session_timeout": idle_in_transaction_seconds * 1000,
    }
    return {
        **config,
        "ENGINE": "django_prometheus.db.backends.postgresql",
        # The pool keeps connections; Django hands them back after each request.
        "CONN_MAX_AGE": 0,
        # A connection that died with its server is replaced before it is handed out.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **config.get("OPTIONS", {}),
            "pool": {
                "min_size": 1,
                "max_size": pool_max_size,
                "timeout": 5,
                # The pool's pauses between attempts double until this many seconds: keep them short, so that the
                # service is back soon after its database is.
                "reconnect_timeout": 5,
            },
            "connect_timeout": 3,
            "options": " ".join(f"-c {name}={milliseconds}" for name, milliseconds in limits_ms.items()),
        },
        "TEST": {"NAME": test_name},
    }
