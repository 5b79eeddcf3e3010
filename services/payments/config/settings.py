"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import REST_FRAMEWORK_FOR_SERVICES, databases, middleware, spectacular
from contracts.environment import load

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "charging"]
MIDDLEWARE = middleware(ENV.name)
DATABASES = databases(ENV)

RABBITMQ_URL = ENV.rabbitmq_url
CARD_PROVIDER_URL = ENV.card_provider_url

SERVICE_TOKENS = ENV.service_tokens
# Only other services continue their traces here; a public request starts a new one.
TELEMETRY_TRUSTED_TOKENS = ENV.service_tokens

# No endpoint accepts user tokens.
REST_FRAMEWORK = REST_FRAMEWORK_FOR_SERVICES
SPECTACULAR_SETTINGS = spectacular(
    "Payments", "Charges cards once for each order, and gives back.", ENV.service_version
)
