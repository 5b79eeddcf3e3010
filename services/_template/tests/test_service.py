"""What every service has: health, its OpenAPI document, its migrations, metrics that start at 0."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from django_telemetry.metrics import registry


@pytest.mark.django_db
def test_health_answers() -> None:
    assert Client().get("/livez").json() == {"status": "alive"}
    assert Client().get("/readyz").json() == {"status": "ready", "checks": ["migrations", "postgresql"]}


def test_the_documentation_is_open() -> None:
    assert Client().get("/api/docs/").status_code == 200


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("result", ["recorded", "duplicate"])
def test_every_metric_starts_at_zero(result: str) -> None:
    assert registry.get_sample_value("newservice_records_total", {"result": result}) is not None
