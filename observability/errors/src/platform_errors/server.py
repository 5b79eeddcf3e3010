"""The receiver's server: one thread for each connection, a bounded number of them."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_CONNECTIONS = 64
# For each read: a client that stops in the middle of its body does not hold its thread for longer.
IDLE_SECONDS = 10.0
_BACKLOG = 128


class Server(ThreadedWSGIServer):
    """`serve_forever()` until `shutdown()`. Raises OSError for its address."""

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        # Werkzeug itself exits the process when it can't listen.
        with socket.create_server((host, port), backlog=_BACKLOG) as listener:
            super().__init__(host, port, app, _Handler, fd=listener.fileno())

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
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """No access log: metrics count requests."""
