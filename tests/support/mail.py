"""Mails written by Django's file backend."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

# The separator that Django's file backend writes between two mails of one connection.
SEPARATOR = b"\n" + b"-" * 79 + b"\n"


class Mailbox:
    """The folder of the file backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def about(self, order_id: str) -> list[EmailMessage]:
        """The mails about an order."""
        return [mail for mail in self._all(order_id.encode()) if mail["X-Order-ID"] == order_id]

    def _all(self, mentioned: bytes) -> Iterator[EmailMessage]:
        for path in sorted(self.folder.glob("*.log")):
            content = path.read_bytes()
            # Parsing is slow and the folder may be large: only files that can contain the mail.
            if mentioned in content:
                for part in content.split(SEPARATOR):
                    if part.strip():
                        yield message_from_bytes(part.lstrip(), policy=policy.default)
