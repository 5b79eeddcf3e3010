"""Settings that are the same in every service, as values for its settings.py."""

from __future__ import annotations

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
