"""How each step of an order can fail: the reason for the cancellation, and what happens to the stock.

A charge needs no column: `Order.charge_attempted` records whether one may exist; payments voids it on the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from ordering.models import Reason


class Step(StrEnum):
    """The steps of an order that call another service, in order."""

    IDENTIFY = "identify"
    RESERVE = "reserve"
    CHARGE = "charge"
    COMMIT = "commit"


class Cause(StrEnum):
    """Why a step failed."""

    # No answer, or a refusal: whether the step was done is unknown.
    UNAVAILABLE = "unavailable"
    # An answer that violates the contract: the dependency is up, and whether the step was done is unknown.
    INVALID_ANSWER = "invalid_answer"
    OUT_OF_STOCK = "out_of_stock"
    CARD_DECLINED = "card_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    # The reservation expired or was released.
    RESERVATION_LOST = "reservation_lost"


class Stock(Enum):
    """The stock of an order that is cancelled."""

    NOT_HELD = auto()
    # It may be held, but inventory is failing now: the reconciler releases it.
    RELEASE_LATER = auto()
    # It is released before the client gets its answer; if that fails, by the reconciler.
    RELEASE_NOW = auto()


@dataclass(frozen=True)
class Failure:
    """A row of the table. A final failure is stored as the answer to the order's key; after others the key is free."""

    reason: Reason
    stock: Stock
    is_final: bool = False


FAILURES: Mapping[tuple[Step, Cause], Failure] = {
    (Step.IDENTIFY, Cause.UNAVAILABLE): Failure(Reason.USERS_UNAVAILABLE, Stock.NOT_HELD),
    (Step.IDENTIFY, Cause.INVALID_ANSWER): Failure(Reason.USERS_INVALID, Stock.NOT_HELD),
    (Step.RESERVE, Cause.UNAVAILABLE): Failure(Reason.INVENTORY_UNAVAILABLE, Stock.RELEASE_LATER),
    (Step.RESERVE, Cause.INVALID_ANSWER): Failure(Reason.INVENTORY_INVALID, Stock.RELEASE_LATER),
    (Step.RESERVE, Cause.OUT_OF_STOCK): Failure(Reason.OUT_OF_STOCK, Stock.NOT_HELD, is_final=True),
    (Step.CHARGE, Cause.UNAVAILABLE): Failure(Reason.PAYMENT_UNAVAILABLE, Stock.RELEASE_NOW),
    (Step.CHARGE, Cause.INVALID_ANSWER): Failure(Reason.PAYMENT_INVALID, Stock.RELEASE_NOW),
    (Step.CHARGE, Cause.CARD_DECLINED): Failure(Reason.PAYMENT_DECLINED, Stock.RELEASE_NOW, is_final=True),
    (Step.CHARGE, Cause.INSUFFICIENT_FUNDS): Failure(Reason.INSUFFICIENT_FUNDS, Stock.RELEASE_NOW, is_final=True),
    (Step.COMMIT, Cause.UNAVAILABLE): Failure(Reason.INVENTORY_UNAVAILABLE, Stock.RELEASE_LATER),
    (Step.COMMIT, Cause.RESERVATION_LOST): Failure(Reason.INVENTORY_UNAVAILABLE, Stock.RELEASE_NOW),
}
# At any step: the reconciler has cancelled the order.
INTERRUPTED = Failure(Reason.INTERRUPTED, Stock.RELEASE_NOW)
