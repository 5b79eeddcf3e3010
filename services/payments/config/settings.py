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

INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "charging"]
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

RABBITMQ_URL = ENV.rabbitmq_url
CARD_PROVIDER_URL = ENV.card_provider_url

SERVICE_TOKENS = ENV.service_tokens
# A caller with one of these tokens may hand on its trace; anybody else's starts anew here.
TELEMETRY_TRUSTED_TOKENS = ENV.service_tokens

# No address here is for people: services only, with their own tokens.
CACHES = conf.CACHES
REST_FRAMEWORK = {
    **conf.REST_FRAMEWORK,
    "DEFAULT_AUTHENTICATION_CLASSES": ["contracts.api.authentication.ServiceTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["contracts.api.authentication.IsService"],
}
SPECTACULAR_SETTINGS = conf.spectacular(
    "Payments", "Charges cards once for each order, and gives back.", ENV.service_version
)
READINESS_CHECKS = {
    "postgresql": "contracts.api.health.database",
    "migrations": "contracts.api.health.migrations",
}

LOGGING_CONFIG = "django_telemetry.logs.configure"
