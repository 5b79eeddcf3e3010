"""Generated requests test the API against its own OpenAPI document."""

from __future__ import annotations

import io
from typing import Any

import pytest
import schemathesis
from config.wsgi import application
from django.core.management import call_command
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)

# Ids and cursors are generated: a well-formed one still doesn't exist.
CHECKED = [check for check in CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]


@pytest.fixture(autouse=True)
def _products(transactional_db: None) -> None:
    call_command("seed_products", stdout=io.StringIO())


@schema.parametrize()
@settings(
    max_examples=15, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
# Real transactions: the WSGI application closes its connection after each request, as under gunicorn.
@pytest.mark.django_db(transaction=True)
def test_the_api_conforms_to_its_openapi_document(case: Any) -> None:
    case.call_and_validate(checks=CHECKED)
