"""A small stub of all four services on one port, so that journeys can be tested without the platform."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from platform_testing.http import StubServer, json_response
from werkzeug import Request, Response

CARD_CODES = {"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds"}
SOLD_OUT = str(uuid.uuid4())
PRODUCTS = [
    {"id": str(uuid.uuid4()), "sku": f"SKU-{number}", "name": "Thing", "available": 1000} for number in range(5)
] + [{"id": SOLD_OUT, "sku": "OUT-OF-STOCK", "name": "Sold out", "available": 0}]


@dataclass
class Stub:
    """Received requests and the behaviour to simulate. `broken_orders`: orders return 500. `delay` is in seconds."""

    url: str = ""
    broken_orders: bool = False
    delay: float = 0.0
    token_seconds: float = 900.0
    keys: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str, path: str) -> int:
        """How many of these requests were received."""
        with self.lock:
            return self.seen.count((method, path))


def _token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


def _respond(stub: Stub, request: Request) -> Response:
    with stub.lock:
        stub.seen.append((request.method, request.path))
    time.sleep(stub.delay)
    status, answer = _answer(stub, request)
    trace_id = uuid.uuid4().hex
    if status >= 400:
        answer = {"status": status, "trace_id": trace_id, "request_id": "r", **answer}
    response = json_response(answer, status, {"traceresponse": f"00-{trace_id}-{uuid.uuid4().hex[:16]}-01"})
    if status >= 400:
        response.content_type = "application/problem+json"
    return response


def _answer(stub: Stub, request: Request) -> tuple[int, dict[str, Any]]:
    path = request.path
    if not request.host.startswith("127.0.0.1"):
        return 400, {"code": "bad_request"}
    if path == "/api/v1/products":
        return 200, {"results": PRODUCTS, "next": None}
    if path.startswith("/api/v1/products/"):
        known = any(product["id"] == path.rsplit("/", 1)[1] for product in PRODUCTS)
        return (200, PRODUCTS[0]) if known else (404, {"code": "not_found"})
    if path == "/api/v1/users":
        return 201, {"id": str(uuid.uuid4())}
    if path == "/api/v1/token" and json.loads(request.get_data())["email"].startswith("unknown"):
        return 401, {"code": "no_active_account"}
    if path.startswith("/api/v1/token"):
        return 200, {"access": _token(stub.token_seconds), "refresh": "refresh"}
    if path.startswith(("/api/v1/users/me", "/api/v1/orders", "/api/v1/notifications")):
        return _answer_to_customer(stub, request)
    return 404, {"code": "not_found"}


def _answer_to_customer(stub: Stub, request: Request) -> tuple[int, dict[str, Any]]:
    """The responses that require a customer's token."""
    path = request.path
    if request.headers.get("Authorization", "").partition(".")[0] != "Bearer head":
        return 401, {"code": "token_invalid"}
    if path == "/api/v1/orders" and request.method == "POST":
        return _order(stub, request)
    if path in {"/api/v1/users/me", "/api/v1/orders", "/api/v1/notifications"}:
        return 200, {}
    if path.startswith("/api/v1/orders/") and path.rsplit("/", 1)[1] in stub.keys:
        return 200, {}
    return 404, {"code": "not_found"}


def _order(stub: Stub, request: Request) -> tuple[int, dict[str, Any]]:
    body = request.get_data()
    if stub.broken_orders:
        return 500, {"code": "internal_error"}
    if len(body) > 65536:
        return 413, {"code": "payload_too_large"}
    if request.headers.get("Content-Type") != "application/json":
        return 415, {"code": "unsupported_media_type"}
    try:
        order = json.loads(body)
        lines, card = order["items"], order["payment_token"]
        right = set(order) == {"items", "payment_token"} and all(0 < line["quantity"] < 101 for line in lines)
    except (ValueError, TypeError, KeyError, RecursionError):
        right = False
    if not right or "Idempotency-Key" not in request.headers:
        return 400, {"code": "invalid"}
    if stub.keys.setdefault(request.headers["Idempotency-Key"], body) != body:
        return 422, {"code": "idempotency_key_reused"}
    products = {line["product_id"] for line in lines}
    if SOLD_OUT in products:
        return 409, {"code": "out_of_stock"}
    if not products <= {product["id"] for product in PRODUCTS}:
        return 400, {"code": "unknown_product"}
    if card in CARD_CODES:
        return 402, {"code": CARD_CODES[card]}
    order_id = str(uuid.uuid4())
    stub.keys[order_id] = b""
    return 201, {"id": order_id, "status": "confirmed"}


@contextmanager
def serving(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """Serve the stub on that port of loopback (0: a free one); its `url` has the port."""
    with StubServer(partial(_respond, stub), port=port) as server:
        stub.url = server.url
        yield stub
