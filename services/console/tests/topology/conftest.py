"""A Prometheus that gives the answers a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from platform_testing.http import StubServer, json_response
from werkzeug import Request, Response


@dataclass
class PrometheusStub:
    """Answers instant and range queries whose text contains a known part; keeps the parameters of each request."""

    url: str = ""
    answers: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    exemplars: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    def respond(self, request: Request) -> Response:
        params = request.args.to_dict()
        self.asked.append(params)
        return json_response(self.answer(request.path, params), self.status)

    def answer(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        """Return the answer of Prometheus to a request."""
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


@pytest.fixture
def prometheus(settings: Any) -> Iterator[PrometheusStub]:
    """A healthy shop: orders calls payments ten times a second."""
    stub = PrometheusStub()
    edge = {"service": "orders", "dependency": "payments", "protocol": "http"}
    stub.answers = {
        "edge:calls:rate1m": [(edge, 10.0)],
        "edge:calls_by_outcome:rate1m": [],
        "edge:duration_seconds:p95_1m": [(edge, 0.25)],
        'queue:messages_handled:rate1m{outcome!="ok"}': [],
        "queue:messages_handled:rate1m": [({"queue": "notifications.orders"}, 2.0)],
        "service:http_requests:rate1m": [({"service": "orders"}, 12.0)],
        "(up{": [({"service": "orders", "process": "orders", "instance": "127.0.0.1:8103"}, 1.0)],
        "service_build_info": [
            ({"service": "orders", "process": "orders", "instance": "127.0.0.1:8103", "version": "1.4.2"}, 1.0)
        ],
    }
    with StubServer(stub.respond) as server:
        stub.url = settings.PROMETHEUS_URL = server.url
        yield stub
