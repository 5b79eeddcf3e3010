"""A Prometheus that answers what a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


class PrometheusStub:
    """Answers instant and range queries whose text contains a known part; notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[dict[str, str], float]]] = {}
        self.exemplars: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.status = 200
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                params = {name: values[0] for name, values in parse_qs(url.query).items()}
                stub.asked.append(params)
                body = json.dumps(stub.answer(url.path, params)).encode()
                self.send_response(stub.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        """What Prometheus would say."""
        if self.status != 200:
            return {"status": "error", "errorType": "unavailable", "error": "out of order"}
        if path.endswith("query_exemplars"):
            return {"status": "success", "data": self.exemplars}
        found = next((rows for part, rows in self.answers.items() if part in params["query"]), [])
        if path.endswith("query_range"):
            start, step = float(params["start"]), float(params["step"])
            rows: list[dict[str, Any]] = [
                {"metric": labels, "values": [[start + index * step, str(value)] for index in range(3)]}
                for labels, value in found
            ]
            return {"status": "success", "data": {"resultType": "matrix", "result": rows}}
        at = float(params.get("time", "1800000000"))
        rows = [{"metric": labels, "value": [at, str(value)]} for labels, value in found]
        return {"status": "success", "data": {"resultType": "vector", "result": rows}}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prometheus(settings: Any) -> Iterator[PrometheusStub]:
    """A healthy shop: orders calls payments ten times a second."""
    stub = PrometheusStub()
    settings.PROMETHEUS_URL = stub.url
    edge = {"service": "orders", "dependency": "payments", "protocol": "http"}
    stub.answers = {
        "edge:calls:rate1m": [(edge, 10.0)],
        "edge:calls_by_outcome:ratio_rate1m": [],
        "edge:duration_seconds:p95_1m": [(edge, 0.25)],
        'queue:messages_handled:rate1m{outcome!="ok"}': [],
        "queue:messages_handled:rate1m": [({"queue": "notifications.orders"}, 2.0)],
        "service:http_requests:rate1m": [({"service": "orders"}, 12.0)],
        "(up{": [({"service": "orders", "process": "orders", "instance": "127.0.0.1:8103"}, 1.0)],
        "service_build_info": [
            ({"service": "orders", "process": "orders", "instance": "127.0.0.1:8103", "version": "1.4.2"}, 1.0)
        ],
    }
    yield stub
    stub.stop()
