"""A mail server on a real socket (aiosmtpd) that accepts, refuses, hangs or disconnects as a test arranges."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any, NoReturn

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HANGS_AT_MOST_SECONDS = 20


class MailServer(Controller):
    """`mails` holds the accepted mails; `offered` also counts refused ones. Settings may change at any time."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.offered = 0
        self.recipient_answer = "250 ok"
        self.data_answer = "250 ok"
        # Awaited between a mail's arrival and the response; cleared, it makes the server hang there.
        self.answer_mails = threading.Event()
        self.answer_mails.set()
        # The number of following mails that are accepted, but whose connection is closed before the response.
        self.break_off_after_data = 0
        self.say_goodbye = True
        super().__init__(self, hostname="127.0.0.1", port=0)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def _trigger_server(self) -> None:
        """Connect once, as the controller does after its start; by then the port is known."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    # aiosmtpd calls these methods by name.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.data_answer
        self.offered += 1
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content))
        await asyncio.to_thread(self.answer_mails.wait, HANGS_AT_MOST_SECONDS)
        if self.break_off_after_data:
            self.break_off_after_data -= 1
            await _break_off(server)
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if not self.say_goodbye:
            await _break_off(server)
        return "221 bye"


async def _break_off(server: SMTP) -> NoReturn:
    """Close the connection without a response. Closing cancels this handler, which waits here."""
    assert server.transport is not None
    server.transport.close()
    await asyncio.Event().wait()
    raise AssertionError("the event is never set")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A running server."""
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.answer_mails.set()
        server.stop()


def settings_of(server: MailServer) -> dict[str, Any]:
    """Return the Django settings that the service derives from this server's EMAIL_URL."""
    from config.environment import mail_settings

    return mail_settings(server.url)
