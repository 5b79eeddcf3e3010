"""A mail server on a real socket that takes, refuses, or breaks off as told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any


class MailServer(socketserver.ThreadingTCPServer):
    """What was taken is in `mails`; `offered` counts also what was not. Settings may be changed at any time."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.offered = 0
        self.recipient_answer = "250 ok"
        self.data_answer = "250 ok"
        # Held while the mail has come and before it is answered; cleared, it makes the server hang there.
        self.answer_mails = threading.Event()
        self.answer_mails.set()
        # So many of the next mails are taken, but the connection breaks off before that is said.
        self.break_off_after_data = 0
        self.say_goodbye = True
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def url(self) -> str:
        """The EMAIL_URL of this server."""
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline():
            command = line.split(b" ")[0].strip().upper()
            if command == b"RCPT":
                self._say(self.server.recipient_answer)
            elif command == b"DATA":
                self._say("354 go on")
                if not self._take_mail():
                    return
            elif command == b"QUIT":
                if self.server.say_goodbye:
                    self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _take_mail(self) -> bool:
        raw = b""
        while (line := self.rfile.readline()) != b".\r\n":
            raw += line
        self.server.offered += 1
        answer = self.server.data_answer
        if answer.startswith("250"):
            self.server.mails.append(message_from_bytes(raw))
        self.server.answer_mails.wait(20)
        if self.server.break_off_after_data:
            self.server.break_off_after_data -= 1
            return False
        self._say(answer)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A running server."""
    server = MailServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.answer_mails.set()
        server.shutdown()
        thread.join()
        server.server_close()


def settings_of(server: Any) -> dict[str, Any]:
    """Django's settings for this server, as the service makes them of an EMAIL_URL."""
    from config.environment import mail_settings

    return mail_settings(server.url)
