"""Users, payments and inventory as small real servers: clients under test connect to real sockets."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from contracts.inventory.v1 import inventory_pb2, inventory_pb2_grpc


class Reset:
    """The connection is reset instead of answered."""


@dataclass
class Request:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Answer = tuple[int, Any] | type[Reset]


class HttpStub:
    """An HTTP server whose next answers can be arranged; otherwise `answer` decides.

    `arrange(answer, times=n, delay=s, effect=True)`: with `effect` the request is carried out before that answer.

    Written by hand on purpose: it resets connections, and keeps the others open as production's servers do.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.arranged: list[tuple[Answer | None, float, bool]] = []
        self.before: Callable[[str], None] = lambda path: None
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                body = json.loads(raw) if raw else None
                stub.serve(
                    self, Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                )

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: Any) -> None:
                """No access log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def arrange(
        self, answer: Answer | None = None, *, times: int = 1, delay: float = 0.0, effect: bool = False
    ) -> None:
        self.arranged += [(answer, delay, effect)] * times

    def serve(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.before(request.path)
        with self.lock:
            self.requests.append(request)
            arranged, delay, effect = self.arranged.pop(0) if self.arranged else (None, 0.0, False)
            answer = self.answer(request) if arranged is None or effect else None
        time.sleep(delay)
        answer = arranged or answer
        assert answer is not None
        if answer is Reset:
            # Closing with linger 0 sends RST instead of FIN.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        status, body = answer  # type: ignore[misc]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(raw)))
            handler.end_headers()
            handler.wfile.write(raw)
        except OSError:
            handler.close_connection = True  # the client didn't wait

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def stop(self) -> None:
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()


class UsersStub(HttpStub):
    """Knows every account."""

    def __init__(self) -> None:
        super().__init__()
        self.active = True
        self.jwks: dict[str, Any] = {"keys": []}

    def answer(self, request: Request) -> Answer:
        if request.path == "/.well-known/jwks.json":
            return 200, self.jwks
        user_id = request.path.rsplit("/", 1)[1]
        return 200, {"id": user_id, "email": "ada@example.com", "name": "Ada", "is_active": self.active}


DECLINES = {"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds"}


class PaymentsStub(HttpStub):
    """Charges every card once per order, as payments does. `charges` are the captured ones."""

    def __init__(self) -> None:
        super().__init__()
        self.charges: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> Answer:
        body = request.body
        assert request.headers["idempotency-key"] == body["order_id"], "the key has to be the order's id"
        if code := DECLINES.get(body["payment_token"]):
            return 402, {"status": 402, "code": code}
        charge = self.charges.setdefault(body["order_id"], {"id": str(uuid.uuid4()), "status": "captured", **body})
        return 201, charge


@dataclass
class Product:
    sku: str = "SKU-1"
    name: str = "Thing"
    price: str = "19.90"
    stock: int = 1000


@dataclass
class Arranged:
    code: grpc.StatusCode | None
    delay: float
    effect: bool
    trailing: tuple[tuple[str, str], ...] = ()


@dataclass
class Held:
    items: dict[str, int]
    status: int = inventory_pb2.RESERVATION_STATUS_HELD


@dataclass
class InventoryStub(inventory_pb2_grpc.InventoryServicer):
    """Inventory in memory. `arrange("Reserve", code, delay=…, effect=True)` sets the next result of that method."""

    products: dict[str, Product] = field(default_factory=dict)
    reservations: dict[str, Held] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    arranged: dict[str, list[Arranged]] = field(default_factory=lambda: defaultdict(list))
    before: Callable[[str], None] = lambda method: None

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.start(0)

    def start(self, port: int) -> None:
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        inventory_pb2_grpc.add_InventoryServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.target = f"127.0.0.1:{self.port}"
        self.server.start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self.server.stop(None).wait()

    def add_product(self, **kwargs: Any) -> str:
        product_id = str(uuid.uuid4())
        self.products[product_id] = Product(**kwargs)
        return product_id

    def arrange(
        self,
        method: str,
        code: grpc.StatusCode | None,
        *,
        times: int = 1,
        delay: float = 0.0,
        effect: bool = False,
        trailing: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.arranged[method] += [Arranged(code, delay, effect, trailing)] * times

    def called(self, method: str) -> int:
        return sum(1 for name, _ in self.calls if name == method)

    def held(self) -> int:
        """Return the number of pieces that orders hold or have bought."""
        ended = (inventory_pb2.RESERVATION_STATUS_RELEASED, inventory_pb2.RESERVATION_STATUS_EXPIRED)
        return sum(sum(held.items.values()) for held in self.reservations.values() if held.status not in ended)

    def Reserve(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Reserve", request, context, self._reserve)

    def Release(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Release", request, context, self._release)

    def Commit(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._serve("Commit", request, context, self._commit)

    def _serve(self, method: str, request: Any, context: grpc.ServicerContext, work: Callable[..., Any]) -> Any:
        self.before(method)
        with self.lock:
            self.calls.append((method, request.order_id))
            self.metadata.append(dict(context.invocation_metadata()))
            arranged = self.arranged[method].pop(0) if self.arranged[method] else None
            answer = work(request, context) if arranged is None or arranged.effect else None
        if arranged is not None:
            time.sleep(arranged.delay)
            if arranged.code is not None:
                context.set_trailing_metadata(arranged.trailing)
                context.abort(arranged.code, "arranged")
        return answer if answer is not None else work(request, context)

    def _reserve(self, request: Any, context: grpc.ServicerContext) -> Any:
        wanted = {item.product_id: item.quantity for item in request.items}
        if unknown := [product_id for product_id in wanted if product_id not in self.products]:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown: {unknown}")
        if request.order_id not in self.reservations:
            short = [product_id for product_id, n in wanted.items() if self.products[product_id].stock < n]
            if short:
                context.set_trailing_metadata((("out-of-stock", json.dumps(short)),))
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "out of stock")
            for product_id, n in wanted.items():
                self.products[product_id].stock -= n
            self.reservations[request.order_id] = Held(wanted)
        items = [
            inventory_pb2.ReservedItem(
                product_id=product_id,
                sku=self.products[product_id].sku,
                name=self.products[product_id].name,
                quantity=n,
                unit_price=inventory_pb2.Money(amount=self.products[product_id].price, currency="EUR"),
            )
            for product_id, n in wanted.items()
        ]
        return inventory_pb2.ReserveResponse(reservation_id=str(uuid.uuid4()), items=items)

    def _release(self, request: Any, context: grpc.ServicerContext) -> Any:
        held = self.reservations.get(request.order_id)
        if held is not None:
            held.status = inventory_pb2.RESERVATION_STATUS_RELEASED
        return inventory_pb2.ReleaseResponse(status=inventory_pb2.RESERVATION_STATUS_RELEASED)

    def _commit(self, request: Any, context: grpc.ServicerContext) -> Any:
        held = self.reservations.get(request.order_id)
        if held is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no reservation")
        assert held is not None
        if held.status == inventory_pb2.RESERVATION_STATUS_RELEASED:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "released")
        held.status = inventory_pb2.RESERVATION_STATUS_COMMITTED
        return inventory_pb2.CommitResponse(status=held.status)
