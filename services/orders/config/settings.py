"""Django's settings. What differs between places comes from the environment (config/environment.py)."""

from __future__ import annotations

from contracts import faults
from contracts.api import conf
from ordering.timing import Timing

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
    "ordering",
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

ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
ACCESS_TOKEN_KEY_SOURCE = "contracts.testing.tokens.TestKeys" if ENV.name == "test" else "ordering.clients.token_keys"

# The dependencies: where they are, and how long they may take.
USERS_URL = ENV.users_url
PAYMENTS_URL = ENV.payments_url
INVENTORY_GRPC_TARGET = ENV.inventory_grpc_target
RABBITMQ_URL = ENV.rabbitmq_url
SERVICE_TOKEN = ENV.service_token
TIMING = Timing()

CACHES = conf.CACHES
REST_FRAMEWORK = conf.REST_FRAMEWORK
SPECTACULAR_SETTINGS = conf.spectacular(
    "Orders", "Places orders: reserves the stock, charges the card, publishes what became of it.", ENV.service_version
)
READINESS_CHECKS = {
    "postgresql": "contracts.api.health.database",
    "migrations": "contracts.api.health.migrations",
}

LOGGING_CONFIG = "django_telemetry.logs.configure"
LOGGING = {
    # The pool says at each attempt that the database is away. That it is gone and back is said once, elsewhere.
    "loggers": {"psycopg.pool": {"level": "ERROR"}},
}
