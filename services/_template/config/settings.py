"""Django's settings. What differs between places comes from the environment (config/environment.py)."""

from __future__ import annotations

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import databases, middleware, spectacular
from contracts.environment import load

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "newapp"]
MIDDLEWARE = middleware(ENV.name)
DATABASES = databases(ENV)

RABBITMQ_URL = ENV.rabbitmq_url
USERS_URL = ENV.users_url

ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
ACCESS_TOKEN_KEY_SOURCE = "newapp.clients.user_keys"  # noqa: S105  (a dotted path)

SPECTACULAR_SETTINGS = spectacular("NewService", "Records of confirmed orders.", ENV.service_version)
