"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import REST_FRAMEWORK_FOR_SERVICES, databases, middleware, spectacular
from contracts.environment import load

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "stock"]
MIDDLEWARE = middleware(ENV.name)
DATABASES = databases(ENV)

SERVICE_TOKENS = ENV.service_tokens
# Only other services continue their traces here; a public request starts a new one.
TELEMETRY_TRUSTED_TOKENS = SERVICE_TOKENS

GRPC_HOST = ENV.grpc_host
GRPC_PORT = ENV.grpc_port
RESERVATION_TTL_SECONDS = ENV.reservation_ttl_seconds

# Product views are public and declare it. No view accepts user tokens, so one that declares nothing is internal.
REST_FRAMEWORK = REST_FRAMEWORK_FOR_SERVICES
SPECTACULAR_SETTINGS = spectacular("Inventory", "Products and what is left of them.", ENV.service_version)
