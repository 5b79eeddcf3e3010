"""The provider's server: one thread per connection, so that slow requests don't delay the admin interface."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from card_provider.app import create_app
from card_provider.behaviour import Control
from card_provider.ledger import Ledger

# Above the connection pool of any client; further connections are answered 503 and closed.
MAX_CONNECTIONS = 256
IDLE_SECONDS = 30.0
_BACKLOG = 128


class CardProvider(ThreadedWSGIServer):
    """The server and its state: `serve_forever()` until `shutdown()`, then `finish()`. Raises OSError for its address.

    Its threads are daemons: a connection that an idle client keeps open doesn't delay the exit.
    """

    def __init__(self, host: str, port: int, control: Control | None = None, ledger: Ledger | None = None) -> None:
        self.control = control or Control()
        self.ledger = ledger or Ledger()
        self._changed = threading.Condition()
        self._in_flight = 0
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        app = create_app(self.control, self.ledger, lambda: self._in_flight)
        # Werkzeug itself exits the process when it can't listen.
        with socket.create_server((host, port), backlog=_BACKLOG) as listener:
            super().__init__(host, port, app, _Handler, fd=listener.fileno())

    @contextmanager
    def request_in_flight(self) -> Iterator[None]:
        """Count a request from its head to the last byte of its response."""
        with self._changed:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def finish(self, seconds: float) -> None:
        """Wait for the requests in flight, at most this many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight == 0, timeout=seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._connections.acquire(blocking=False):
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()


class _Handler(WSGIRequestHandler):
    server: CardProvider
    timeout = IDLE_SECONDS
    # Responses are small and complete: send them at once.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        with self.server.request_in_flight():
            super().run_wsgi()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Disabled: the log of an external system isn't available to us."""
