"""Idempotency keys: one key creates at most one order, and returns the same answer each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, models, transaction
from django_telemetry import context

from ordering.models import IdempotencyKey, KeyState, Order, OrderItem
from ordering.placement import Placement


@dataclass(frozen=True)
class Answer:
    """The answer to a placement: an order (201), or a problem's code, detail and additional members."""

    status: int
    body: Mapping[str, Any]
    replayed: bool = False


class KeyReused(Exception):
    """The key was used before with other content."""


class InProgress(Exception):
    """The order of this key is being processed."""


def claim(placement: Placement) -> Order | Answer:
    """Create a pending order (committed) for this key, or return the answer stored under the key.

    Raises KeyReused or InProgress.
    """
    try:
        return _claim(placement)
    except IntegrityError:
        # Two concurrent requests had the same key and the other was first. Its row is visible now.
        return _claim(placement)


@transaction.atomic
def _claim(placement: Placement) -> Order | Answer:
    key = IdempotencyKey.objects.select_for_update().filter(user_id=placement.user_id, key=placement.key).first()
    if key is None:
        order = _pending_order(placement)
        IdempotencyKey.objects.create(
            user_id=placement.user_id, key=placement.key, fingerprint=placement.fingerprint(), order=order
        )
        return order
    if key.fingerprint != placement.fingerprint():
        raise KeyReused
    if key.state == KeyState.IN_PROGRESS:
        raise InProgress
    if key.response_status is not None and key.response_body is not None:
        return Answer(key.response_status, json.loads(key.response_body), replayed=True)
    key.order = _pending_order(placement)
    key.state = KeyState.IN_PROGRESS
    key.save(update_fields=["order", "state"])
    return key.order


def _pending_order(placement: Placement) -> Order:
    order = Order.objects.create(user_id=placement.user_id, carrier=context.carrier())
    OrderItem.objects.bulk_create(
        OrderItem(order=order, product_id=line.product_id, quantity=line.quantity) for line in placement.lines
    )
    # From here on order.items.all() is this list; the steps fill in what they learn.
    models.prefetch_related_objects([order], "items")
    return order


def answer(order: Order, given: Answer) -> None:
    """Store the answer under the order's key: every repetition returns it from now on."""
    IdempotencyKey.objects.filter(order=order).update(
        state=KeyState.ANSWERED, response_status=given.status, response_body=json.dumps(given.body)
    )


def free(order: Order) -> None:
    """Free the order's key for the same content: the failure was not a decision about the order."""
    IdempotencyKey.objects.filter(order=order).update(state=KeyState.RETRYABLE)
