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

INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "mailing"]
MIDDLEWARE = [*conf.MIDDLEWARE, *faults.middleware(ENV.name)]
# For the page of /api/docs/ only.
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": conf.database(
        ENV.database,
        pool_max_size=ENV.database_pool_max_size,
        test_name=ENV.test_database_name,
        # A mail is handed over inside its transaction (mailing/domain.py): above any SMTP conversation that goes on at
        # all, below what would hold rows locked for good.
        idle_in_transaction_seconds=60,
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

RABBITMQ_URL = ENV.rabbitmq_url
USERS_URL = ENV.users_url

globals().update(ENV.email)
DEFAULT_FROM_EMAIL = ENV.mail_from

ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
# Tests sign their own tokens; anywhere else the keys are those of the users service.
ACCESS_TOKEN_KEY_SOURCE = "contracts.testing.tokens.TestKeys" if ENV.name == "test" else "mailing.clients.user_keys"

CACHES = conf.CACHES
REST_FRAMEWORK = conf.REST_FRAMEWORK
SPECTACULAR_SETTINGS = conf.spectacular("Notifications", "The mails that were sent about orders.", ENV.service_version)
READINESS_CHECKS = {
    "postgresql": "contracts.api.health.database",
    "migrations": "contracts.api.health.migrations",
}

LOGGING_CONFIG = "django_telemetry.logs.configure"
