"""Django settings of all services, for `from contracts.settings import *` in their settings.py."""

from __future__ import annotations

from typing import Any

from contracts.environment import ServiceEnvironment

DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
APPEND_SLASH = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
READINESS_CHECKS = {
    "postgresql": "contracts.api.health.database",
    "migrations": "contracts.api.health.migrations",
}
# `check --deploy` passes. TLS ends at the proxy in front, which also redirects to it and sends HSTS.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
LOGGING_CONFIG = "django_telemetry.logs.configure"


def databases(environment: ServiceEnvironment, *, idle_in_transaction_seconds: int = 30) -> dict[str, Any]:
    """Return DATABASES of a service: PostgreSQL through a pool, with a limit on everything that could wait."""
    config = environment.database
    limits_ms = {
        "statement_timeout": 10_000,
        "lock_timeout": 5_000,
        "idle_in_transaction_session_timeout": idle_in_transaction_seconds * 1000,
    }
    default = {
        **config,
        "ENGINE": "django_prometheus.db.backends.postgresql",
        # The pool keeps connections; Django returns them after each request.
        "CONN_MAX_AGE": 0,
        # A connection that died with its server is replaced before it is used.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **config.get("OPTIONS", {}),
            "pool": {
                "min_size": 1,
                "max_size": environment.database_pool_max_size,
                "timeout": 5,
                # The pool's pauses between attempts double up to this many seconds: keep them short, so that the
                # service recovers soon after its database does.
                "reconnect_timeout": 5,
            },
            "connect_timeout": 3,
            "options": " ".join(f"-c {name}={milliseconds}" for name, milliseconds in limits_ms.items()),
        },
        "TEST": {"NAME": environment.test_database_name},
    }
    return {"default": default}
