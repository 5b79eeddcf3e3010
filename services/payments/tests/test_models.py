"""Constraints reject invalid rows, and the migrations match the models."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from charging.models import Charge, Status
from django.core.management import call_command
from django.db import IntegrityError, transaction

pytestmark = pytest.mark.django_db


def row(**changes: Any) -> dict[str, Any]:
    """Return a valid captured charge with `changes`."""
    key = str(uuid.uuid4())
    right = {
        "order_id": uuid.uuid4(),
        "amount": Decimal("19.90"),
        "currency": "EUR",
        "status": Status.CAPTURED,
        "provider_ref": "ch_1",
        "idempotency_key": key,
    }
    return {**right, **changes}


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("charge_status_known", {"status": "lost"}),
        ("charge_amount_positive", {"amount": Decimal("0.00")}),
        ("charge_amount_positive", {"amount": Decimal("-1.00")}),
        ("charge_complete_unless_voided", {"amount": None}),
        ("charge_complete_unless_voided", {"idempotency_key": None}),
        ("charge_complete_unless_voided", {"currency": ""}),
        ("charge_captured_has_ref", {"provider_ref": ""}),
        ("charge_refused_has_code", {"status": Status.DECLINED, "provider_ref": ""}),
        ("charge_refused_has_code", {"status": Status.FAILED, "provider_ref": ""}),
    ],
)
def test_an_invalid_charge_is_refused(constraint: str, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        Charge.objects.create(**row(**changes))


@pytest.mark.parametrize(
    ("constraint", "shared"),
    [("charge_once_for_each_order", "order_id"), ("charge_once_for_each_key", "idempotency_key")],
)
def test_a_second_charge_is_refused(constraint: str, shared: str) -> None:
    first = row()
    Charge.objects.create(**first)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Charge.objects.create(**row(**{shared: first[shared]}))


def test_a_tombstone_needs_only_an_order() -> None:
    Charge.objects.create(order_id=uuid.uuid4(), status=Status.VOIDED)


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
