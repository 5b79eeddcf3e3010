"""The provider's data: charges by idempotency key. In memory, bounded, thread-safe."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass

# About 10 MB. Refunds and cancellations follow within minutes of their charge.
MAX_CHARGES = 20_000

CAPTURED = "captured"
DECLINED = "declined"
REFUNDED = "refunded"
CANCELED = "canceled"

# The result of each test token: None captures, otherwise the decline code.
SOURCES: dict[str, str | None] = {
    "tok_ok": None,
    "tok_declined": "card_declined",
    "tok_insufficient_funds": "insufficient_funds",
}


class Refusal(Exception):
    """A request that the provider refuses: HTTP status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass
class ProviderCharge:
    """One attempt to take money, captured or declined. Without an amount: the key was cancelled before it."""

    id: str
    status: str
    amount: str = ""
    currency: str = ""
    source: str = ""
    decline_code: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the charge as sent to clients; the source is left out."""
        return {
            "id": self.id,
            "status": self.status,
            "amount": self.amount,
            "currency": self.currency,
            "decline_code": self.decline_code,
        }


class Ledger:
    """Charges, refunds and cancellations, each idempotent. Drops the oldest beyond `limit`."""

    def __init__(self, limit: int = MAX_CHARGES) -> None:
        self._limit = limit
        self._by_key: OrderedDict[str, ProviderCharge] = OrderedDict()
        self._by_id: dict[str, ProviderCharge] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._by_key)

    def charges(self) -> list[ProviderCharge]:
        """Return all stored charges, oldest first."""
        with self._lock:
            return list(self._by_key.values())

    def charge(self, key: str, amount: str, currency: str, source: str) -> ProviderCharge:
        """Take the money once per key; the same key gets the same charge.

        Refusal 400 invalid_source: no such token. 409 canceled: the key was cancelled before. 422
        idempotency_key_reused: the key belongs to another amount, currency or source.
        """
        with self._lock:
            known = self._by_key.get(key)
            if known is not None:
                if known.status == CANCELED:
                    raise Refusal(409, "canceled")
                if (known.amount, known.currency, known.source) != (amount, currency, source):
                    raise Refusal(422, "idempotency_key_reused")
                return known
            if source not in SOURCES:
                raise Refusal(400, "invalid_source")
            decline_code = SOURCES[source]
            status = DECLINED if decline_code else CAPTURED
            return self._remember(key, ProviderCharge(_new_id(), status, amount, currency, source, decline_code))

    def refund(self, charge_id: str) -> ProviderCharge:
        """Refund a captured charge, once. Refusal 404 unknown_charge, 409 not_captured."""
        with self._lock:
            charge = self._by_id.get(charge_id)
            if charge is None:
                raise Refusal(404, "unknown_charge")
            if charge.status not in {CAPTURED, REFUNDED}:
                raise Refusal(409, "not_captured")
            charge.status = REFUNDED
            return charge

    def cancel(self, key: str) -> ProviderCharge:
        """Undo a charge by its key, for clients that don't know how it ended.

        A captured charge is refunded; an unknown key is blocked, so that a late charge can't take money.
        """
        with self._lock:
            charge = self._by_key.get(key)
            if charge is None:
                return self._remember(key, ProviderCharge(_new_id(), CANCELED))
            if charge.status == CAPTURED:
                charge.status = REFUNDED
            return charge

    def _remember(self, key: str, charge: ProviderCharge) -> ProviderCharge:
        self._by_key[key] = charge
        self._by_id[charge.id] = charge
        if len(self._by_key) > self._limit:
            _, oldest = self._by_key.popitem(last=False)
            del self._by_id[oldest.id]
        return charge


def _new_id() -> str:
    return f"ch_{uuid.uuid4().hex}"
