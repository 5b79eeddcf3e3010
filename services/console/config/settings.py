"""Django settings. Values that differ between deployments come from the environment (config/environment.py)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from contracts.environment import load
from contracts.settings import *  # noqa: F403
from contracts.settings import databases
from csp.constants import NONE, SELF

from config.environment import Environment

ENV = load(Environment)

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)

INSTALLED_APPS = [
    "django_telemetry",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "shell",
    "topology",
    "incidents",
    "boards",
    "traces",
    "logs",
]
MIDDLEWARE = [
    # First, so that its span, log line and metrics cover all others.
    "django_telemetry.middleware.TelemetryMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "shell.middleware.PagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Closed by default: a view requires login unless it opts out.
    "shell.middleware.LoginMiddleware",
    "shell.middleware.ZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shell.context.shell",
            ],
        },
    }
]

DATABASES = databases(ENV)

# Sessions end with the shift; over plain HTTP only outside of production.
_SECURE = ENV.name == "production"
_PREFIX = "__Host-" if _SECURE else ""
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
# Only sessions of logged-in users are stored: there is nothing to save for anonymous visitors.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_NAME = f"{_PREFIX}console_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _SECURE
CSRF_COOKIE_NAME = f"{_PREFIX}console_csrf"
# Scripts read the token from the page.
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _SECURE
CSRF_TRUSTED_ORIGINS = list(ENV.csrf_trusted_origins)
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _SECURE else 0
# `check --deploy` passes: whether subdomains and a browser's list of HTTPS hosts are right is the domain's matter.
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS, "security.W005", "security.W021"]  # noqa: F405
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# After five wrong passwords for a name from one client, a pause of that client. Others log in with the name as before:
# behind a proxy, TRUSTED_PROXIES distinguishes clients.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "shell.views.client_address"
TRUSTED_PROXIES = ENV.trusted_proxies
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_CALLABLE = "shell.views.locked_out"
AXES_VERBOSE = False

# Pages' scripts and styles: our own, and only those files of npm packages that pages load.
STATIC_URL = "/static/"
STATIC_ROOT = ENV.static_root
STATICFILES_DIRS = [
    ("vendor/echarts/dist", ENV.assets_dir / "echarts" / "dist"),
    ("vendor/htmx.org/dist", ENV.assets_dir / "htmx.org" / "dist"),
]
WHITENOISE_USE_FINDERS = ENV.static_root is None
# A file edited at runtime would be truncated at its old length.
WHITENOISE_AUTOREFRESH = ENV.name == "development"

# The sources of the pages.
DASHBOARDS_DIR = ENV.dashboards_dir
RUNBOOKS_DIR = ENV.runbooks_dir
PROMETHEUS_URL = ENV.prometheus_url
ALERTMANAGER_URL = ENV.alertmanager_url
JAEGER_URL = ENV.jaeger_url
ELASTICSEARCH_URL = ENV.elasticsearch_url
ELASTICSEARCH_USER = ENV.elasticsearch_user
ELASTICSEARCH_PASSWORD = ENV.elasticsearch_password
# Time limit for a backend: afterwards its panel reports it as unavailable.
BACKEND_TIMEOUT_SECONDS = 5
ALERT_WEBHOOK_TOKEN = ENV.alert_webhook_token
GRAFANA_URL = ENV.grafana_url
JAEGER_UI_URL = ENV.jaeger_ui_url
TRACES_RETENTION_DAYS = ENV.traces_retention_days
KIBANA_URL = ENV.kibana_url
# Where links of alerts may lead, besides this console.
ALERT_LINK_ORIGINS = frozenset(ENV.alert_link_origins) | {
    "{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in (GRAFANA_URL, JAEGER_UI_URL, KIBANA_URL) if url
}

LOGGING = {
    # The pool logs every failed attempt while the database is unavailable; loss and return are logged once elsewhere.
    "loggers": {"psycopg.pool": {"level": "ERROR"}},
}
