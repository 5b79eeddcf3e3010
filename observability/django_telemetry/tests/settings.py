"""Settings of a small project, so that the library is tested independently of the platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django

for _name in [name for name in os.environ if name.startswith(("TELEMETRY_", "OTEL_", "SENTRY_"))]:
    del os.environ[_name]  # a test run must not depend on the shell's environment

SECRET_KEY = "only-for-tests-0123456789-0123456789-0123456789"
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_telemetry"]
MIDDLEWARE = [
    "django_telemetry.middleware.TelemetryMiddleware",
    "django.middleware.common.CommonMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [Path(__file__).parent / "templates"]}
]
LOGGING_CONFIG = "django_telemetry.logs.configure"
TELEMETRY_TRUSTED_TOKENS = {"orders": "orders-token-0123456789"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Django supports connection pools since 5.1.
_POOL = {"pool": {"min_size": 1, "max_size": 3, "timeout": 2}} if django.VERSION >= (5, 1) else {}
_database = urlsplit(os.environ.get("TEST_DATABASE_URL", ""))
if _database.scheme:
    DATABASES: dict[str, Any] = {
        "default": {
            "ENGINE": "django_prometheus.db.backends.postgresql",
            "HOST": _database.hostname,
            "PORT": _database.port or 5432,
            "USER": _database.username or "",
            "PASSWORD": _database.password or "",
            "NAME": _database.path.lstrip("/"),
            "TEST": {"NAME": f"test_telemetry_{os.getpid()}"},  # concurrent runs must not share a database
            "OPTIONS": {"connect_timeout": 5, **_POOL},
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django_prometheus.db.backends.sqlite3", "NAME": ":memory:"}}
