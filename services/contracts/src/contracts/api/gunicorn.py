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

WORKER = "contracts.api.gunicorn.ProblemWorker"
LONGEST_REQUEST_LINE = 4094


def settings(
    host: str, port: int, threads: int = 8, *, worker: str = WORKER, longest_request_line: int = LONGEST_REQUEST_LINE
) -> dict[str, Any]:
    """Return the settings of config/gunicorn.py. Exemplars and per-replica metrics need one process per port.

    `worker` is the dotted name of a ProblemWorker; `longest_request_line` is in bytes, at most 8190.
    """
    return {
        "bind": f"{host}:{port}",
        "workers": 1,
        "threads": threads,
        "worker_class": worker,
        # The longest request (an order) has 10 s; Kubernetes and compose kill after 30 s.
        "graceful_timeout": 25,
        "timeout": 60,
        "keepalive": 15,
        "limit_request_line": longest_request_line,
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

    def represent(self, problem: dict[str, Any]) -> tuple[str, bytes]:
        """Return the media type and the body of the response to a malformed request."""
        return media_types.PROBLEM, json.dumps(problem).encode()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Let gunicorn choose the status and log it, then answer with a problem."""
        captured = _Capture()
        super().handle_error(req, captured, addr, exc)
        problem = _as_problem(captured.data)
        answer = _response(problem, *self.represent(problem)) if problem else b""
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


_MALFORMED = ("malformed_request", "The request is not valid HTTP.")
# Code and detail of the statuses that gunicorn chooses. All but 500 are the client's fault.
_DETAILS = {
    414: ("uri_too_long", "The address is too long."),
    417: ("expectation_failed", "The Expect header can't be met."),
    431: ("headers_too_large", "The request has too many header fields, or too long ones."),
    500: ("internal_error", "Something went wrong here."),
    501: ("transfer_encoding_unsupported", "This Transfer-Encoding is not supported. Send a Content-Length instead."),
}


def _as_problem(html_answer: bytes) -> dict[str, Any]:
    """Return the problem with the status of gunicorn's response; empty when it has none."""
    status_line = html_answer.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(status_line) < 2:
        return {}
    status = HTTPStatus(int(status_line[1]))
    code, detail = _DETAILS.get(status.value, _MALFORMED)
    # A malformed request has no span; the id still joins this response with its log line.
    request_id = str(uuid.uuid4())
    trace_id = uuid.uuid4().hex
    logging.getLogger("gunicorn.error").warning(
        "Answered %d to a malformed request", status.value, extra={"request.id": request_id, "trace.id": trace_id}
    )
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "trace_id": trace_id,
        "request_id": request_id,
    }


def _response(problem: dict[str, Any], media_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {problem['status']} {problem['title']}\r\nConnection: close\r\nContent-Type: {media_type}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"X-Request-ID: {problem['request_id']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
