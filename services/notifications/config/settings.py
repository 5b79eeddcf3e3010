"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import databases, middleware, spectacular
from contracts.environment import load

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "mailing"]
MIDDLEWARE = middleware(ENV.name)
# A mail is sent inside its transaction (mailing/domain.py): longer than any SMTP conversation that makes
# progress, short enough that rows don't stay locked indefinitely.
DATABASES = databases(ENV, idle_in_transaction_seconds=60)

RABBITMQ_URL = ENV.rabbitmq_url
USERS_URL = ENV.users_url

globals().update(ENV.email)
DEFAULT_FROM_EMAIL = ENV.mail_from

ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
ACCESS_TOKEN_KEY_SOURCE = "mailing.clients.user_keys"  # noqa: S105  (a dotted path)

SPECTACULAR_SETTINGS = spectacular("Notifications", "The mails that were sent about orders.", ENV.service_version)
