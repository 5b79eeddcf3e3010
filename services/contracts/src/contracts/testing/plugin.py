"""pytest plugin (`-p contracts.testing.plugin`): gives each run its own PostgreSQL database and RabbitMQ vhost.

The servers are those of the running platform; `make test` passes TEST_DATABASE_URL (a role that may create databases)
and TEST_RABBITMQ_ADMIN_URL (the management API, with credentials). Names contain the run's id, so that concurrent runs
don't conflict; a run deletes what it created.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import catalogue
import pytest
import requests
from django.conf import settings

from contracts.testing.tokens import TEST_AUDIENCE, TEST_ISSUER, private_key_pem

# So that their assertions show values, as those of a test module do.
pytest.register_assert_rewrite("contracts.testing.service")

RUN_ID = uuid.uuid4().hex[:12]
SERVICE_TOKENS = {name: f"test-token-of-{name}" for name in catalogue.load().services}

_scratch = tempfile.TemporaryDirectory(prefix="contracts-test-")


# First: pytest-django sets Django up in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Set the environment before Django's settings, which read it once, are imported."""
    service = Path(early_config.invocation_params.dir).name
    key_file = Path(_scratch.name) / "private.pem"
    key_file.write_text(private_key_pem())
    mail = Path(_scratch.name) / "mail"
    mail.mkdir(exist_ok=True)
    environment = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": "a key for tests only, long enough to pass the check",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "SERVICE_VERSION": "0.0.0-test",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", ""),
        "RABBITMQ_URL": _vhost_url(),
        **_dependencies(),
        "HTTP_PORT": "8999",
        "GRPC_PORT": "0",
        "SERVICE_TOKEN": f"test-token-of-{service}",
        "SERVICE_TOKENS": ",".join(f"{name}={token}" for name, token in SERVICE_TOKENS.items()),
        "JWT_ISSUER": TEST_ISSUER,
        "JWT_AUDIENCE": TEST_AUDIENCE,
        "JWT_PRIVATE_KEY_FILE": str(key_file),
        "EMAIL_URL": f"file://{mail}",
        "OTEL_SERVICE_NAME": service,
        # No exporter: tests read the recorded telemetry directly, not from a backend.
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_SDK_DISABLED": os.environ.get("OTEL_SDK_DISABLED", "false"),
        "TEST_DATABASE_NAME": f"test_{service}_{RUN_ID}",
    }
    os.environ.update(environment)
    for name in ("TELEMETRY_METRICS_PORT", "SENTRY_DSN", "SENTRY_SPOTLIGHT"):
        os.environ.pop(name, None)
    if not os.environ["DATABASE_URL"]:
        raise pytest.UsageError(f"TEST_DATABASE_URL is not set. Run these tests by: make test s={service}")


def pytest_configure(config: pytest.Config) -> None:
    """Make services that fetch keys trust this run's key; the service that issues tokens has its own."""
    if hasattr(settings, "ACCESS_TOKEN_KEY_SOURCE") and not hasattr(settings, "JWT_PRIVATE_KEY_FILE"):
        settings.ACCESS_TOKEN_KEY_SOURCE = "contracts.testing.tokens.TestKeys"


def _dependencies() -> dict[str, str]:
    """Addresses where nothing listens: a test that calls a dependency without a stub fails at once."""
    addresses = {"http": "http://127.0.0.1:9", "grpc": "127.0.0.1:9"}
    edges = catalogue.load().edges()
    return {edge.variable: addresses[edge.protocol] for edge in edges if edge.protocol in addresses}


def _vhost_url() -> str:
    admin = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
    parts = urlsplit(admin)
    return urlunsplit((parts.scheme, parts.netloc, f"/test-{RUN_ID}", "", ""))


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """Return the URL of a vhost created for this run; RABBITMQ_URL has the same value."""
    admin = os.environ.get("TEST_RABBITMQ_ADMIN_URL")
    if not admin:
        pytest.fail("TEST_RABBITMQ_ADMIN_URL is not set. Run these tests by `make test`.")
    vhost = f"test-{RUN_ID}"
    address = f"{admin.rstrip('/')}/api/vhosts/{quote(vhost, safe='')}"
    requests.put(address, timeout=10).raise_for_status()
    user = urlsplit(_vhost_url()).username or "guest"
    permissions = {"configure": ".*", "write": ".*", "read": ".*"}
    requests.put(
        f"{admin.rstrip('/')}/api/permissions/{quote(vhost, safe='')}/{quote(user, safe='')}",
        json=permissions,
        timeout=10,
    ).raise_for_status()
    yield os.environ["RABBITMQ_URL"]
    requests.delete(address, timeout=10).raise_for_status()
