"""Generated requests test the API against its own OpenAPI document."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import schemathesis
from config.wsgi import application
from contracts.testing.tokens import access_token
from hypothesis import HealthCheck, settings

from tests.conftest import kept

USER_ID = uuid.UUID("8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10")

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


@schema.auth(refresh_interval=None)
class Token:
    """A user's token."""

    def get(self, case: Any, context: Any) -> str:
        """Return the token for this request."""
        return access_token(str(USER_ID))

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
    for _ in range(3):
        kept(USER_ID)
    case.call_and_validate()
