"""Idempotency keys: one key makes at most one order, and gives the same answer each time."""

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
    """What a placement is answered: an order (201), or a problem's code, detail and own members."""

    status: int
    body: Mapping[str, Any]
    replayed: bool = False


class KeyReused(Exception):
    """The key came with other content before."""


class InProgress(Exception):
    """The key's order is being worked on at this moment."""


def claim(placement: Placement) -> Order | Answer:
    """A new pending order (committed) for this key, or the answer that the key got before.

    Raises KeyReused or InProgress.
    """
    try:
        return _claim(placement)
    except IntegrityError:
        # The same key came twice at once and the other request was first. Its row is visible now.
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
    """Keep the answer to the order's key: the key gives it from now on."""
    IdempotencyKey.objects.filter(order=order).update(
        state=KeyState.ANSWERED, response_status=given.status, response_body=json.dumps(given.body)
    )


def free(order: Order) -> None:
    """Let the order's key be used again, with the same content: the failure was nobody's decision."""
    IdempotencyKey.objects.filter(order=order).update(state=KeyState.RETRYABLE)
