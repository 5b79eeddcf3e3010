"""Maps the domain's outcomes to HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.api.problems import CONTENT_TYPE, DependencyInvalid, DependencyUnavailable, Problem, problem_body
from rest_framework.response import Response

from ordering.api.serializers import OrderSerializer
from ordering.domain import AccountInactive, NoSuchProduct, OrderFailed
from ordering.idempotency import Answer, InProgress, KeyReused
from ordering.models import Order, Reason

# Final failures: status, code and detail.
_REFUSALS: Mapping[Reason, tuple[int, str, str]] = {
    Reason.PAYMENT_DECLINED: (402, "card_declined", "The card was declined."),
    Reason.INSUFFICIENT_FUNDS: (402, "insufficient_funds", "The card doesn't have the funds."),
    Reason.OUT_OF_STOCK: (409, "out_of_stock", "There is not enough stock of a product."),
}
_INVALID_ANSWERS: Mapping[Reason, str] = {
    Reason.USERS_INVALID: "users",
    Reason.INVENTORY_INVALID: "inventory",
    Reason.PAYMENT_INVALID: "payments",
}
_DEPENDENCIES: Mapping[Reason, str] = {
    Reason.USERS_UNAVAILABLE: "users",
    Reason.INVENTORY_UNAVAILABLE: "inventory",
    Reason.PAYMENT_UNAVAILABLE: "payments",
}


def represent(outcome: Order | OrderFailed) -> Answer:
    """Return the response for a confirmed order or a final failure, as it is stored under the order's key."""
    if isinstance(outcome, Order):
        return Answer(201, OrderSerializer(outcome).data)
    reason = outcome.failure.reason
    status, code, detail = _REFUSALS[reason]
    body = {"code": code, "detail": detail, "order_id": str(outcome.order_id)}
    if reason is Reason.OUT_OF_STOCK:
        return Answer(status, {**body, "product_ids": [str(product_id) for product_id in outcome.product_ids]})
    return Answer(status, body)


def problem(error: KeyReused | InProgress | AccountInactive | NoSuchProduct | OrderFailed) -> Problem:
    """Return the problem for an outcome that isn't stored under the key."""
    match error:
        case KeyReused():
            return Problem(422, "idempotency_key_reused", "This Idempotency-Key was used with another body before.")
        case InProgress():
            detail = "An order with this Idempotency-Key is being placed now."
            return Problem(409, "request_in_progress", detail, retry_after=1)
        case AccountInactive():
            return Problem(403, "account_inactive", "This account can't place orders.")
        case NoSuchProduct():
            return Problem(400, "unknown_product", "The order names a product that doesn't exist.")
        case OrderFailed(failure=failure) if dependency := _DEPENDENCIES.get(failure.reason):
            return DependencyUnavailable(dependency)
        case OrderFailed(failure=failure) if dependency := _INVALID_ANSWERS.get(failure.reason):
            return DependencyInvalid(dependency)
        case OrderFailed():
            return Problem(503, "interrupted", "The order took too long and was cancelled.", retry_after=1)


def response(answer: Answer) -> Response:
    """Build the HTTP response from a new answer or a stored one."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.status >= 400:
        # trace_id and request_id belong to the current request, also in a stored answer.
        body = problem_body(answer.status, **answer.body)
        return Response(body, answer.status, headers=headers, content_type=CONTENT_TYPE)
    headers["Location"] = f"/api/v1/orders/{answer.body['id']}"
    return Response(answer.body, answer.status, headers=headers)
