"""The provider's HTTP interface on the standard library's threaded server."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from card_provider.behaviour import Behaviour, Control, InvalidBehaviour
from card_provider.ledger import DECLINED, Ledger, ProviderCharge, Refusal

MAX_BODY_BYTES = 16 * 1024
# Above any caller's connection pool; beyond it a connection is answered 503 and closed.
MAX_CONNECTIONS = 256
IDLE_SECONDS = 30.0

_FIELDS = {
    "amount": re.compile(r"[0-9]{1,10}\.[0-9]{2}"),
    "currency": re.compile(r"[A-Z]{3}"),
    "source": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "idempotency_key": re.compile(r"[\x20-\x7e]{1,255}"),
}
_REFUND = re.compile(r"/v1/charges/(ch_[0-9a-f]{32})/refund")

Answer = tuple[int, dict[str, Any]]


class CardProvider(ThreadingHTTPServer):
    """The server with its state: `serve_forever()` until `shutdown()`; `server_close()` waits for requests in hand."""

    # A connection kept open by an idle client must not hold up the exit: `server_close` waits for requests instead.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, control: Control | None = None, ledger: Ledger | None = None) -> None:
        self.control = control or Control()
        self.ledger = ledger or Ledger()
        self.stopping = threading.Event()
        self._idle = threading.Condition()
        self._in_hand = 0
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection, unless there are too many already."""
        if not self._connections.acquire(blocking=False):
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news to a server."""

    @property
    def in_hand(self) -> int:
        """How many requests are being worked on."""
        return self._in_hand

    def begin(self) -> None:
        """A request is in hand."""
        with self._idle:
            self._in_hand += 1

    def end(self) -> None:
        """It is answered."""
        with self._idle:
            self._in_hand -= 1
            self._idle.notify_all()

    def server_close(self, grace: float = 5.0) -> None:
        """Take no new connection; wait up to `grace` seconds for the answers in hand."""
        self.stopping.set()
        super().server_close()
        with self._idle:
            self._idle.wait_for(lambda: self._in_hand == 0, timeout=grace)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: CardProvider
    protocol_version = "HTTP/1.1"
    server_version = "card-provider"
    sys_version = ""
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        """Answers are small and complete: send them at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def do_GET(self) -> None:
        """Health and the behaviour in force."""
        self._serve(lambda _body: self._get())

    def do_PUT(self) -> None:
        """A new behaviour."""
        self._serve(self._put)

    def do_POST(self) -> None:
        """Charges, refunds, cancellations."""
        self._serve(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: this stands for somebody else's system."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself (unknown method, bad request line), as JSON."""
        self._answer(int(code), {"code": HTTPStatus(code).name.lower()}, close=True)

    def _serve(self, handle: Callable[[Any], Answer]) -> None:
        self.server.begin()
        try:
            try:
                status, body = handle(self._body())
            except Refusal as refusal:
                status, body = refusal.status, {"code": refusal.code}
            # After an error the rest of the body may still be unread: the connection can't be used again.
            self._answer(status, body, close=status in {400, 411, 413} or self.server.stopping.is_set())
        finally:
            self.server.end()

    def _body(self) -> Any:
        declared = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise Refusal(411, "length_required")
        if not (declared.isascii() and declared.isdigit()):
            raise Refusal(400, "invalid_request")
        if len(declared) > 9 or int(declared) > MAX_BODY_BYTES:
            raise Refusal(413, "too_large")
        raw = self.rfile.read(int(declared))
        if not raw:
            return {}
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise Refusal(400, "invalid_request") from None

    def _answer(self, status: int, body: dict[str, Any], *, close: bool) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(encoded)
        self.close_connection = self.close_connection or close

    def _get(self) -> Answer:
        if self.path == "/healthz":
            return 200, {"status": "ok", "in_hand": self.server.in_hand - 1}
        if self.path == "/admin/behaviour":
            return 200, self.server.control.behaviour.as_json()
        raise Refusal(404, "not_found")

    def _put(self, body: Any) -> Answer:
        if self.path != "/admin/behaviour":
            raise Refusal(404, "not_found")
        try:
            self.server.control.behaviour = Behaviour.parse(body)
        except InvalidBehaviour as error:
            return 400, {"code": "invalid_behaviour", "detail": str(error)}
        return 200, self.server.control.behaviour.as_json()

    def _post(self, body: Any) -> Answer:
        work = self._work(body)
        latency, fails_before, fails_after = self.server.control.draw()
        if fails_before:
            time.sleep(latency)
            return 500, {"code": "internal_error"}
        # The work is done first and the answer takes its time: who hangs up meanwhile has been charged.
        answer = work()
        time.sleep(latency)
        return (500, {"code": "internal_error"}) if fails_after else answer

    def _work(self, body: Any) -> Callable[[], Answer]:
        ledger = self.server.ledger
        if self.path == "/v1/charges":
            key, amount, currency, source = _strings(body, "idempotency_key", "amount", "currency", "source")
            return lambda: _charged(ledger.charge(key, amount, currency, source))
        if self.path == "/v1/cancellations":
            (key,) = _strings(body, "idempotency_key")
            return lambda: (200, ledger.cancel(key).as_json())
        if refund := _REFUND.fullmatch(self.path):
            charge_id = refund[1]
            return lambda: (200, ledger.refund(charge_id).as_json())
        raise Refusal(404, "not_found")


def _charged(charge: ProviderCharge) -> Answer:
    if charge.status == DECLINED:
        return 402, {"code": charge.decline_code, **charge.as_json()}
    return 201, charge.as_json()


def _strings(body: Any, *names: str) -> list[str]:
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request")
    values = [body.get(name) for name in names]
    found = [
        value
        for name, value in zip(names, values, strict=True)
        if isinstance(value, str) and _FIELDS[name].fullmatch(value)
    ]
    if len(found) != len(names):
        raise Refusal(400, "invalid_request")
    return found
