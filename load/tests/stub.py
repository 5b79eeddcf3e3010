"""A tiny stand-in for all four services on one port, so that journeys can be run without the platform."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

CARD_CODES = {"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds"}
SOLD_OUT = str(uuid.uuid4())
PRODUCTS = [
    {"id": str(uuid.uuid4()), "sku": f"SKU-{number}", "name": "Thing", "available": 1000} for number in range(5)
] + [{"id": SOLD_OUT, "sku": "OUT-OF-STOCK", "name": "Gone", "available": 0}]


@dataclass
class Stub:
    """What the stub saw, and how it should behave. `broken_orders`: orders answer 500. `delay` is in seconds."""

    url: str = ""
    broken_orders: bool = False
    delay: float = 0.0
    token_seconds: float = 900.0
    keys: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str) -> int:
        """How many of these requests came."""
        with self.lock:
            return self.seen.count((method, path))


def _token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece: apart, they cost a delayed acknowledgement of 40 ms.
    wbufsize = -1
    stub: ClassVar[Stub]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read what they need from the Stub."""

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _handle(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        with self.stub.lock:
            self.stub.seen.append((self.command, path))
        time.sleep(self.stub.delay)
        status, answer = self._answer(path, body)
        trace_id = uuid.uuid4().hex
        if status >= 400:
            answer = {"status": status, "trace_id": trace_id, "request_id": "r", **answer}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("traceresponse", f"00-{trace_id}-{uuid.uuid4().hex[:16]}-01")
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if not self.headers["Host"].startswith("127.0.0.1"):
            return 400, {"code": "bad_request"}
        if path == "/api/v1/products":
            return 200, {"results": PRODUCTS, "next": None}
        if path.startswith("/api/v1/products/"):
            known = any(product["id"] == path.rsplit("/", 1)[1] for product in PRODUCTS)
            return (200, PRODUCTS[0]) if known else (404, {"code": "not_found"})
        if path == "/api/v1/users":
            return 201, {"id": str(uuid.uuid4())}
        if path == "/api/v1/token" and json.loads(body)["email"].startswith("nobody"):
            return 401, {"code": "no_active_account"}
        if path.startswith("/api/v1/token"):
            return 200, {"access": _token(self.stub.token_seconds), "refresh": "refresh"}
        return self._answer_to_a_user(path, body)

    def _answer_to_a_user(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if not path.startswith(("/api/v1/users/me", "/api/v1/orders", "/api/v1/notifications")):
            return 404, {"code": "not_found"}
        if self.headers.get("Authorization", "").partition(".")[0] != "Bearer head":
            return 401, {"code": "token_invalid"}
        if path == "/api/v1/orders" and self.command == "POST":
            return self._order(body)
        if path in {"/api/v1/users/me", "/api/v1/orders", "/api/v1/notifications"}:
            return 200, {}
        if path.startswith("/api/v1/orders/") and path.rsplit("/", 1)[1] in self.stub.keys:
            return 200, {}
        return 404, {"code": "not_found"}

    def _order(self, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.stub.broken_orders:
            return 500, {"code": "internal_error"}
        if len(body) > 65536:
            return 413, {"code": "payload_too_large"}
        if self.headers["Content-Type"] != "application/json":
            return 415, {"code": "unsupported_media_type"}
        try:
            order = json.loads(body)
            lines, card = order["items"], order["payment_token"]
            right = set(order) == {"items", "payment_token"} and all(0 < line["quantity"] < 101 for line in lines)
        except (ValueError, TypeError, KeyError, RecursionError):
            right = False
        if not right or "Idempotency-Key" not in self.headers:
            return 400, {"code": "invalid"}
        if self.stub.keys.setdefault(self.headers["Idempotency-Key"], body) != body:
            return 422, {"code": "idempotency_key_reused"}
        products = {line["product_id"] for line in lines}
        if SOLD_OUT in products:
            return 409, {"code": "out_of_stock"}
        if not products <= {product["id"] for product in PRODUCTS}:
            return 400, {"code": "unknown_product"}
        if card in CARD_CODES:
            return 402, {"code": CARD_CODES[card]}
        order_id = str(uuid.uuid4())
        self.stub.keys[order_id] = b""
        return 201, {"id": order_id, "status": "confirmed"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many users connect at once; with the default of 5 some would wait a second for their next try.
    request_queue_size = 128


@contextmanager
def serving(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """Serve the stub on that port of loopback (0: a free one); its `url` says which."""
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
