"""Sends one test item to each backend and returns the results, for ``manage.py telemetry check``."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace

from sentry_sdk.envelope import Envelope

from . import logs, tracing
from ._sentry_transport import BoundedTransport
from .accounting import Account
from .conf import TelemetryConfig
from .pipeline import SpanPipeline

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of testing one signal. ``ok`` None means that there was nothing to test."""

    signal: str
    target: str
    ok: bool | None
    detail: str
    seconds: float = 0.0


def probe(config: TelemetryConfig) -> list[Finding]:
    """Test every enabled signal, each for at most 5 s."""
    probes: dict[str, Callable[[TelemetryConfig], list[Finding]]] = {
        "traces": _traces,
        "metrics": _metrics,
        "logs": _logs,
        "errors": _errors,
    }
    findings = []
    for signal, run in probes.items():
        if config.on(signal):
            findings += run(config)
        else:
            findings.append(Finding(signal, "", None, "off"))
    return findings


def _traces(config: TelemetryConfig) -> list[Finding]:
    if not config.export_traces:
        return [Finding("traces", "", None, "spans are made and sent nowhere (OTEL_TRACES_EXPORTER=none)")]
    counts = Account("probe")
    certain = replace(config, sampler="always_on", batch_delay=0.01)
    pipeline = SpanPipeline(certain, counts)
    provider = tracing.build_provider(certain)
    provider.add_span_processor(pipeline)
    start = time.monotonic()
    span = provider.get_tracer(tracing.SCOPE.name).start_span("telemetry check")
    span.end()
    while not counts.delivered and not sum(counts.lost.values()) and time.monotonic() - start < TIMEOUT:
        time.sleep(0.01)
    took = time.monotonic() - start
    pipeline.close(0.1)
    if counts.delivered:
        detail = f"accepted, trace id {span.get_span_context().trace_id:032x}"
        return [Finding("traces", config.traces_endpoint, True, detail, took)]
    return [Finding("traces", config.traces_endpoint, False, pipeline.last_failure or "no answer", took)]


def _metrics(config: TelemetryConfig) -> list[Finding]:
    if config.metrics_port is None:
        return [Finding("metrics", "", None, "no port (TELEMETRY_METRICS_PORT is not set)")]
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.metrics_host, config.metrics_host)
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{config.metrics_port}/metrics"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {config.metrics_token}"})
    start = time.monotonic()
    failure = ""
    while time.monotonic() - start < 2:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                body = response.read()
        except OSError as exc:
            failure = str(exc)
            time.sleep(0.05)
            continue
        took = time.monotonic() - start
        known = b"service_build_info" in body
        detail = f"{body.count(b'# TYPE ')} families" if known else "answers, but isn't a service of this library"
        return [Finding("metrics", url, known, detail, took)]
    return [Finding("metrics", url, False, failure, time.monotonic() - start)]


def _logs(config: TelemetryConfig) -> list[Finding]:
    if not logs.is_configured():
        return [Finding("logs", "stdout", False, "LOGGING_CONFIG is not django_telemetry.logs.configure")]
    start = time.monotonic()
    writer = logs.writer()
    writer.write(logs.EcsFormatter(config).line({"message": "telemetry check"}))
    written = writer.flush(TIMEOUT)
    detail = "written" if written else "stdout is not read"
    return [Finding("logs", "stdout", written, detail, time.monotonic() - start)]


def _errors(config: TelemetryConfig) -> list[Finding]:
    if not (config.sentry_dsn or config.sentry_spotlight):
        return [Finding("errors", "", None, "nowhere to send to (neither SENTRY_DSN nor SENTRY_SPOTLIGHT is set)")]
    findings = []
    for name, dsn, spotlight in (
        ("DSN", config.sentry_dsn, ""),
        (config.sentry_spotlight, "", config.sentry_spotlight),
    ):
        if not (dsn or spotlight):
            continue
        counts = Account("probe")
        transport = BoundedTransport(dsn, spotlight, counts)
        envelope = Envelope()
        envelope.add_event(
            {
                "message": "telemetry check",
                "level": "info",
                "server_name": socket.gethostname(),
                "environment": config.sentry_environment,
            }
        )
        start = time.monotonic()
        transport.capture_envelope(envelope)
        transport.close(TIMEOUT)
        took = time.monotonic() - start
        detail = "accepted" if counts.delivered else "refused or no answer"
        findings.append(Finding("errors", name, bool(counts.delivered), detail, took))
    return findings
