"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.api.settings import *  # noqa: F403
from contracts.api.settings import databases, middleware, spectacular
from contracts.environment import load

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
INSTALLED_APPS = [
    "django_telemetry",
    # Needed by simplejwt's token classes; this service uses neither groups nor permissions.
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "drf_spectacular",
    "accounts",
]
MIDDLEWARE = middleware(ENV.name)
DATABASES = databases(ENV)

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["accounts.hashers.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "accounts.passwords.VarietyValidator"},
]

TRUSTED_PROXIES = ENV.trusted_proxies
UNLIMITED_NETWORKS = ENV.unlimited_networks

SERVICE_TOKENS = ENV.service_tokens
# Only other services continue their traces here; a public request starts a new one.
TELEMETRY_TRUSTED_TOKENS = SERVICE_TOKENS
ACCESS_TOKEN_ISSUER = ENV.jwt_issuer
ACCESS_TOKEN_AUDIENCE = ENV.jwt_audience
# This service holds the keys; the other services fetch its JWKS.
ACCESS_TOKEN_KEY_SOURCE = "accounts.keys.key_ring"  # noqa: S105  (a dotted path)
JWT_PRIVATE_KEY_FILE = ENV.jwt_private_key_file
JWT_PREVIOUS_PUBLIC_KEY_FILES = ENV.jwt_previous_public_key_files
SIMPLE_JWT: dict[str, Any] = {
    "ALGORITHM": "RS256",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "ISSUER": ENV.jwt_issuer,
    "AUDIENCE": ENV.jwt_audience,
}

SPECTACULAR_SETTINGS = spectacular("Users", "Accounts, login, access tokens and their keys.", ENV.service_version)
