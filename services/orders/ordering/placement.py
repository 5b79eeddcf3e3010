"""What somebody asks for when they place an order."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """So much of a product."""

    product_id: uuid.UUID
    quantity: int


@dataclass(frozen=True)
class Placement:
    """What somebody wants to order, and the key that they gave to it."""

    user_id: uuid.UUID
    key: str
    lines: tuple[Line, ...]
    payment_token: str

    def fingerprint(self) -> str:
        """Equal for equal content. The token is in it only as part of the hash."""
        lines = [[str(line.product_id), line.quantity] for line in self.lines]
        content = json.dumps([lines, self.payment_token], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()
