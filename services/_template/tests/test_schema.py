"""The API against its own OpenAPI document, with generated requests."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from config.wsgi import application
from contracts.testing.tokens import access_token
from hypothesis import HealthCheck, settings

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


@schema.auth(refresh_interval=None)
class Token:
    """A person's token."""

    def get(self, case: Any, context: Any) -> str:
        """The token for this request."""
        return access_token()

    def set(self, case: Any, data: str, context: Any) -> None:
        """Put it into the request."""
        case.headers["Authorization"] = f"Bearer {data}"


@schema.parametrize()
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
# Real transactions: the WSGI application closes its connection after each request, as it does under gunicorn.
@pytest.mark.django_db(transaction=True)
def test_the_api_keeps_to_its_openapi_document(case: Any) -> None:
    case.call_and_validate()
