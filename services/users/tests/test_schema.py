"""Generated requests test the API against its own OpenAPI document."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import schemathesis
from accounts.models import User
from accounts.tokens import AccessToken
from config.wsgi import application
from contracts.testing.plugin import SERVICE_TOKENS
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

USER_ID = uuid.UUID("8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10")

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)

# Rules that OpenAPI can't express (Django's address check, common passwords) may reject a generated request.
CHECKED = [check for check in CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]


@schema.auth(refresh_interval=None)
class Tokens:
    """A service token for the internal API, a user token for the rest."""

    def get(self, case: Any, context: Any) -> str:
        """Return the token for this request."""
        if case.operation.path.startswith("/internal/"):
            return SERVICE_TOKENS["orders"]
        return str(AccessToken.for_user(User(id=USER_ID)))

    def set(self, case: Any, data: str, context: Any) -> None:
        """Set the token on the request."""
        case.headers["Authorization"] = f"Bearer {data}"


@schema.parametrize()
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
# Real transactions: the WSGI application closes its connection after each request, as under gunicorn.
@pytest.mark.django_db(transaction=True)
def test_the_api_conforms_to_its_openapi_document(case: Any) -> None:
    User.objects.get_or_create(id=USER_ID, email="schema@example.com", name="Schema")
    case.call_and_validate(checks=CHECKED)
