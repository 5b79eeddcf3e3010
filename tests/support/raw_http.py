"""Raw HTTP that no well-behaved client would send: bytes to a socket, and the response."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class RawAnswer:
    """A response as received. `status` is 0 without a response or without HTTP; `body` then has the reason."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def send(base_url: str, data: bytes, *, half_close: bool = False) -> RawAnswer:
    """Send bytes and read one response. Raises OSError if nothing listens.

    `half_close` closes the sending side after the bytes, as a client does that disconnects.
    """
    parts = urlsplit(base_url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            # Refused before everything was sent; the response can still be read.
            pass
        response = HTTPResponse(connection)
        try:
            response.begin()
            body = response.read()
        except (HTTPException, OSError) as error:
            return RawAnswer(0, {}, repr(error).encode())
        return RawAnswer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
