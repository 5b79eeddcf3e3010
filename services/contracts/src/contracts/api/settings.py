"""Django settings of all services with an API, for `from contracts.api.settings import *` in their settings.py."""

from __future__ import annotations

from typing import Any

from contracts import faults
from contracts.settings import *  # noqa: F403

# The APIs take tokens, and no cookies that a page of others could use.
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS, "security.W003"]  # noqa: F405

X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

MIDDLEWARE = [
    # First, so that its span, log line and metrics cover all others.
    "django_telemetry.middleware.TelemetryMiddleware",
    "contracts.api.middleware.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Only for the page at /api/docs/.
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

# In process memory: the content needn't be shared or outlive the process. Counted by django-prometheus.
CACHES: dict[str, Any] = {"default": {"BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache"}}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["contracts.api.authentication.AccessTokenAuthentication"],
    # Closed by default: a view without permission settings is refused, not open.
    "DEFAULT_PERMISSION_CLASSES": ["contracts.api.authentication.IsPerson"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["contracts.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "contracts.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "contracts.api.openapi.ConventionSchema",
    "EXCEPTION_HANDLER": "contracts.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# For services without endpoints for users: only other services, with their own tokens.
REST_FRAMEWORK_FOR_SERVICES: dict[str, Any] = {
    **REST_FRAMEWORK,
    "DEFAULT_AUTHENTICATION_CLASSES": ["contracts.api.authentication.ServiceTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["contracts.api.authentication.IsService"],
}


def middleware(environment: str) -> list[str]:
    """Return MIDDLEWARE for that ENVIRONMENT: a drill may add faults. Raises ImproperlyConfigured (wrong FAULTS)."""
    return [*MIDDLEWARE, *faults.middleware(environment)]


def spectacular(title: str, description: str, version: str) -> dict[str, Any]:
    """Return the SPECTACULAR_SETTINGS of a service."""
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
