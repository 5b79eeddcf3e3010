"""Generated requests test the API against its own OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from charging import clients
from config.wsgi import application
from contracts.testing.plugin import SERVICE_TOKENS
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            # A declined card, or a key used by an earlier example, is a valid response to a valid request.
            "positive_data_acceptance": {"expected-statuses": ["2xx", "402", "404", "409", "422"]},
        }
    }
)
schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application, config=CONFIG)


@schema.auth(refresh_interval=None)
class Token:
    """The token of orders."""

    def get(self, case: Any, context: Any) -> str:
        """Return the token for this request."""
        return SERVICE_TOKENS["orders"]

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
def test_the_api_conforms_to_its_openapi_document(case: Any, provider: clients.CardProvider) -> None:
    case.call_and_validate()
