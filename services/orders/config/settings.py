"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import databases, middleware, spectacular
from contracts.environment import load
from ordering.timing import Timing

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular", "ordering"]
MIDDLEWARE = middleware(ENV.name)
DATABASES = databases(ENV)

ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
ACCESS_TOKEN_KEY_SOURCE = "ordering.clients.token_keys"  # noqa: S105  (a dotted path)

# Addresses of the dependencies, and time limits for calls to them.
USERS_URL = ENV.users_url
PAYMENTS_URL = ENV.payments_url
INVENTORY_GRPC_TARGET = ENV.inventory_grpc_target
RABBITMQ_URL = ENV.rabbitmq_url
SERVICE_TOKEN = ENV.service_token
TIMING = Timing()

SPECTACULAR_SETTINGS = spectacular(
    "Orders", "Places orders: reserves the stock, charges the card, publishes what became of it.", ENV.service_version
)
LOGGING = {
    # The pool logs each failed connection attempt; that the database is down or up again is logged once, elsewhere.
    "loggers": {"psycopg.pool": {"level": "ERROR"}},
}
