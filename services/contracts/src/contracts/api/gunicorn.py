"""gunicorn configuration of all services: one worker with threads, problem+json for errors outside of Django."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time
import uuid
from http import HTTPStatus
from typing import Any

from django_telemetry.gunicorn import freeze
from gunicorn import util
from gunicorn.http.errors import InvalidHeader
from gunicorn.workers.gthread import ThreadWorker

from contracts import media_types


def settings(host: str, port: int, threads: int = 8) -> dict[str, Any]:
    """Return the settings of config/gunicorn.py. Exemplars and per-replica metrics need one process per port."""
    return {
        "bind": f"{host}:{port}",
        "workers": 1,
        "threads": threads,
        "worker_class": "contracts.api.gunicorn.ProblemWorker",
        # The longest request (an order) has 10 s; Kubernetes and compose kill after 30 s.
        "graceful_timeout": 25,
        "timeout": 60,
        "keepalive": 15,
        "limit_request_line": 4094,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        "control_socket_disable": True,
        "logger_class": "django_telemetry.gunicorn.Logger",
        "post_worker_init": freeze,
    }


# A client that takes longer to send its request is disconnected: a few slow clients must not occupy all threads.
# The limit is shorter when no thread is free.
SLOW_CLIENT_SECONDS = 10.0
SLOW_CLIENT_SECONDS_WHEN_BUSY = 1.0


class ProblemWorker(ThreadWorker):
    """Answers malformed HTTP (bad request line, bad Content-Length) with a problem instead of HTML.

    Limits the time for reading a request: the stock worker waits indefinitely for the rest of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._began: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        """Handle one request in a thread, and record when it began."""
        self._began[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._began[conn]

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Refuse HTTP/1.1 with no Host or two (RFC 9112, 3.2): Django would use the server's own name."""
        if req.version >= (1, 1) and sum(name == "HOST" for name, _ in req.headers) != 1:
            raise InvalidHeader("HOST", req=req)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Called by the main loop every second: also close the reading side of connections that take too long.

        A completely read request is still answered; an incomplete one ends as if the client had disconnected.
        """
        super().murder_pending()
        busy = len(self._began) >= self.cfg.threads
        limit = time.monotonic() - (SLOW_CLIENT_SECONDS_WHEN_BUSY if busy else SLOW_CLIENT_SECONDS)
        for conn, began in self._began.copy().items():
            if began < limit:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Let gunicorn choose the status and log it, then answer with a problem."""
        captured = _Capture()
        super().handle_error(req, captured, addr, exc)
        answer = _as_problem(captured.data)
        if answer:
            try:
                util.write_nonblock(client, answer)
            except OSError:
                logging.getLogger("gunicorn.error").debug("The client went away before its error was sent")


class _Capture:
    """Replaces the socket that gunicorn writes its HTML error to."""

    def __init__(self) -> None:
        self.data = b""

    def gettimeout(self) -> float:
        return 0.0

    def setblocking(self, flag: bool) -> None:
        """No-op: there is no socket."""

    def sendall(self, data: bytes) -> None:
        self.data += data


def _as_problem(html_answer: bytes) -> bytes:
    status_line = html_answer.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(status_line) < 2:
        return b""
    status = HTTPStatus(int(status_line[1]))
    # A malformed request has no span; the id still joins this response with its log line.
    request_id = str(uuid.uuid4())
    trace_id = uuid.uuid4().hex
    logging.getLogger("gunicorn.error").warning(
        "Answered %d to a malformed request", status.value, extra={"request.id": request_id, "trace.id": trace_id}
    )
    body = json.dumps(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "code": "malformed_request" if status.value < 500 else "internal_error",
            "detail": "The request is not valid HTTP." if status.value < 500 else "Something went wrong here.",
            "trace_id": trace_id,
            "request_id": request_id,
        }
    ).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: {media_types.PROBLEM}\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
