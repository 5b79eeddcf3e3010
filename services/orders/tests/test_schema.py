"""Generated requests test the API against its own OpenAPI document."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import schemathesis
from config.wsgi import application
from contracts.testing.tokens import access_token
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from tests.conftest import World
from tests.stubs import Product

USER_ID = uuid.UUID("8b7bd8a2-0dd5-4b1a-9a0c-6d7c8a1f2f10")

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)

# A rule that OpenAPI can't express (each product once) may reject a generated request.
CHECKED = [check for check in CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]


@schema.auth(refresh_interval=None)
class Token:
    """A user's token."""

    def get(self, case: Any, context: Any) -> str:
        """Return the token for this request."""
        return access_token(str(USER_ID))

    def set(self, case: Any, data: str, context: Any) -> None:
        """Set the token on the request."""
        case.headers["Authorization"] = f"Bearer {data}"


class EveryProduct(dict[str, Product]):
    """An inventory in which every product is in stock."""

    def __missing__(self, product_id: str) -> Product:
        self[product_id] = Product()
        return self[product_id]

    def __contains__(self, product_id: object) -> bool:
        return True


@schema.parametrize()
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
# Real transactions: the WSGI application closes its connection after each request, as under gunicorn.
@pytest.mark.django_db(transaction=True)
def test_the_api_conforms_to_its_openapi_document(case: Any, world: World) -> None:
    world.inventory.products = EveryProduct()
    case.call_and_validate(checks=CHECKED)
