"""Events as sentry-sdk sends them."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sentry_sdk.envelope import Envelope

TRACE = "15d9cad014884c0f82c56eee1a7550d2"


def frame(module: str, function: str, line: int = 1, *, in_app: bool = True, source: str = "") -> dict[str, Any]:
    return {
        "module": module,
        "filename": f"{module.replace('.', '/')}.py",
        "function": function,
        "lineno": line,
        "in_app": in_app,
        "context_line": source or f"    {function}()",
    }


def exception(kind: str, value: str, *frames: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "value": value, "stacktrace": {"frames": list(frames)}}


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": uuid.uuid4().hex,
        "timestamp": time.time(),
        "level": "error",
        "platform": "python",
        "server_name": "orders-relay",
        "release": "1.4",
        "environment": "test",
        "transaction": "POST api/v1/orders",
        "contexts": {"trace": {"trace_id": TRACE, "span_id": "00f067aa0ba902b7"}},
        "tags": {"request_id": "r-1", "service_name": "orders", "plan.kind": "pro"},
        "request": {
            "method": "POST",
            "url": "http://orders/api/v1/orders?token=hunter2",
            "headers": {"Cookie": "hunter2"},
        },
        "user": {"email": "hunter2@example.com"},
        "exception": {
            "values": [
                exception("KeyError", "'a'", frame("ordering.views", "create", 10)),
                exception(
                    "OrderError",
                    "no order 17",
                    frame("django.core", "handle", 5, in_app=False),
                    frame("ordering.relay", "run", 20),
                    frame("psycopg", "execute", 30, in_app=False),
                ),
            ]
        },
        **changes,
    }


def envelope(*events: dict[str, Any]) -> bytes:
    made = Envelope(headers={"event_id": events[0]["event_id"]} if events else {})
    for each in events:
        made.add_event(each)  # type: ignore[arg-type]
    return made.serialize()
