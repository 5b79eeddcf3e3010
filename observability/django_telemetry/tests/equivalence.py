"""Sends a table of requests through one instrumentation and prints the resulting telemetry as JSON.

Each instrumentation runs in its own process, since both change Django's settings and the global tracer provider.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    *((method, "/ok", {}) for method in METHODS),
    *(
        ("GET", f"/status/{code}", {})
        for code in (200, 204, 301, 302, 304, 400, 401, 403, 404, 409, 429, 500, 502, 503)
    ),
    ("GET", "/nowhere", {}),
    ("GET", "/boom", {}),
    ("GET", "/not-found", {}),
    ("GET", "/forbidden", {}),
    ("GET", "/suspicious", {}),
    ("GET", "/go", {}),
    ("GET", "/stream", {}),
    ("GET", "/page", {}),
    ("GET", "/unnamed", {}),
    ("GET", "/async", {}),
    ("GET", "/async-boom", {}),
    ("GET", "/ok?token=in-the-query", {}),
    ("GET", "/ok", {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}),
    ("POST", "/echo", {"data": b"x" * 500, "content_type": "text/plain"}),
    ("GET", "/api/v1/orders/11111111-2222-4333-8444-555555555555", {}),
    ("BREW", "/ok", {}),
]
ASYNC_REQUESTS = [("GET", path) for path in ("/async", "/async-boom", "/ok", "/nowhere", "/async-stream")]


def _shown(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "attributes": dict(sorted((span.attributes or {}).items())),
        "events": [event.name for event in span.events],
        "root": span.parent is None,
    }


def _metrics() -> dict[str, dict[str, float]]:
    """The values of django-prometheus's families, without sums and buckets."""
    from prometheus_client import REGISTRY

    metrics: dict[str, dict[str, float]] = {}
    for family in REGISTRY.collect():
        if not family.name.startswith("django_http"):
            continue
        for sample in family.samples:
            if sample.name.endswith(("_created", "_sum")) or "le" in sample.labels:
                continue
            key = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            metrics.setdefault(sample.name, {})[key] = sample.value
    return metrics


def main(way: str) -> None:
    os.environ["TELEMETRY_HTTP"] = way
    os.environ["OTEL_TRACES_EXPORTER"] = "none"
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="only-for-tests-0123456789-0123456789-0123456789",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="tests.urls",
        INSTALLED_APPS=["django_telemetry"],
        MIDDLEWARE=["django_telemetry.middleware.TelemetryMiddleware", "django.middleware.common.CommonMiddleware"],
        LOGGING_CONFIG="django_telemetry.logs.configure",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [Path(__file__).parent / "templates"],
            }
        ],
        DATABASES={},
    )
    django.setup()
    from django.test import AsyncClient, Client
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    from tests.harness import MemoryProcessor

    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    memory = MemoryProcessor()
    provider.add_span_processor(memory)
    seen = []

    def take(request: str) -> None:
        seen.append({"request": request, "spans": [_shown(span) for span in memory.spans]})
        memory.spans.clear()

    client = Client(raise_request_exception=False)
    for method, path, extra in REQUESTS:
        options = {"HTTP_HOST": "testserver", **extra}
        response = client.generic(
            method, path, options.pop("data", b""), options.pop("content_type", "application/octet-stream"), **options
        )
        if response.streaming:
            b"".join(response.streaming_content)  # type: ignore[attr-defined]
        response.close()
        take(f"{method} {path}")

    async def all_async() -> None:
        aclient = AsyncClient(raise_request_exception=False)
        for method, path in ASYNC_REQUESTS:
            response = await aclient.generic(method, path)
            if response.streaming:
                _ = [part async for part in response.streaming_content]  # type: ignore[attr-defined]
            response.close()
            take(f"async {method} {path}")

    asyncio.run(all_async())
    metrics = _metrics()
    # Last, since the two instrumentations count it differently.
    client.get("/ok", HTTP_HOST="evil.example")
    take("GET /ok with an invalid host")
    os.write(int(os.environ["REPORT_FD"]), json.dumps({"requests": seen, "metrics": metrics}).encode())


if __name__ == "__main__":
    main(sys.argv[1])
