"""The content of an order request."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A quantity of one product."""

    product_id: uuid.UUID
    quantity: int


@dataclass(frozen=True)
class Placement:
    """The requested order, and its idempotency key."""

    user_id: uuid.UUID
    key: str
    lines: tuple[Line, ...]
    payment_token: str

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal content. The payment token is only an input of the hash."""
        lines = [[str(line.product_id), line.quantity] for line in self.lines]
        content = json.dumps([lines, self.payment_token], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()
