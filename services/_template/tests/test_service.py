"""Behaviour common to all services, the migrations, metrics that start at 0."""

from __future__ import annotations

import uuid

import pytest
from contracts.testing.service import ServiceTests
from django.core.management import call_command
from django.test import Client
from django_telemetry.metrics import registry

from tests.conftest import person


class TestService(ServiceTests):
    address = "/api/v1/records"
    unknown_addresses = ("/api/v1/nothing", "/internal/v1/records", "/api/v1/records/")

    def caller(self) -> Client:
        return person(uuid.uuid4())


@pytest.mark.django_db
def test_readyz_succeeds_while_its_database_is_up() -> None:
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": ["migrations", "postgresql"]})


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("result", ["recorded", "duplicate"])
def test_every_metric_starts_at_zero(result: str) -> None:
    assert registry.get_sample_value("newservice_records_total", {"result": result}) is not None
