"""Django's settings. What differs between places comes from the environment (config/environment.py)."""

from __future__ import annotations

from contracts import faults
from contracts.api import conf

from config import environment as _environment

ENV = _environment.load()

SECRET_KEY = ENV.secret_key
DEBUG = False
ALLOWED_HOSTS = list(ENV.allowed_hosts)
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
APPEND_SLASH = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = conf.MAX_BODY_BYTES

INSTALLED_APPS = [
    "django_telemetry",
    "rest_framework",
    "drf_spectacular",
    "stock",
]
MIDDLEWARE = [*conf.MIDDLEWARE, *faults.middleware(ENV.name)]
# For the page of /api/docs/ only.
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": conf.database(
        ENV.database,
        pool_max_size=ENV.database_pool_max_size,
        test_name=ENV.test_database_name,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SERVICE_TOKENS = ENV.service_tokens
# Only other services continue their traces here; a public request starts its own.
TELEMETRY_TRUSTED_TOKENS = SERVICE_TOKENS

GRPC_HOST = ENV.grpc_host
GRPC_PORT = ENV.grpc_port
RESERVATION_TTL_SECONDS = ENV.reservation_ttl_seconds

CACHES = conf.CACHES
REST_FRAMEWORK = {
    **conf.REST_FRAMEWORK,
    # Products are public and say so; nothing here is for people with a token, so what forgets to say is for services.
    "DEFAULT_AUTHENTICATION_CLASSES": ["contracts.api.authentication.ServiceTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["contracts.api.authentication.IsService"],
}
SPECTACULAR_SETTINGS = conf.spectacular("Inventory", "Products and what is left of them.", ENV.service_version)
READINESS_CHECKS = {
    "postgresql": "contracts.api.health.database",
    "migrations": "contracts.api.health.migrations",
}

LOGGING_CONFIG = "django_telemetry.logs.configure"
