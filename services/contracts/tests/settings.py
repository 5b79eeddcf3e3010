"""A minimal Django project that uses the HTTP conventions, without a database."""

import os

from contracts.api.settings import DATA_UPLOAD_MAX_MEMORY_SIZE, MIDDLEWARE, REST_FRAMEWORK, spectacular

SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["testserver"]
# Ids are generated, nothing is exported.
os.environ["OTEL_TRACES_EXPORTER"] = "none"
os.environ["OTEL_SERVICE_NAME"] = "contracts"
INSTALLED_APPS = ["django_telemetry", "rest_framework", "drf_spectacular"]
MIDDLEWARE = MIDDLEWARE
REST_FRAMEWORK = REST_FRAMEWORK
SPECTACULAR_SETTINGS = spectacular("Conventions", "Test project", "1.0.0")
ROOT_URLCONF = "tests.urls"
DATA_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE
USE_TZ = True
ACCESS_TOKEN_KEY_SOURCE = "contracts.testing.tokens.TestKeys"
ACCESS_TOKEN_ISSUER = "users"
ACCESS_TOKEN_AUDIENCE = "platform"
SERVICE_TOKENS = {"orders": "token-of-orders", "console": "token-of-console"}
READINESS_CHECKS = {"thing": "tests.urls.check"}
