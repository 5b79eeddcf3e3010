"""The probe: its criteria for success, and its messages when a signal is missing. The platform is a stub."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import responses
from platformctl.app import Platform
from platformctl.dev import probe
from platformctl.dev.probe import EXPECTED_SERVICES
from platformctl.errors import ProbeFailed
from platformctl.paths import Paths
from platformctl.run.runner import Runner
from rich.console import Console

HOST = "http://127.0.0.1"
ORDER, TRACE = "0b0e7c5e-1111-4222-8333-444455556666", "5741556dbbb265d426c07fe5162ad67b"
EVENT = "f6265b282e454d4b96d7323e2a5b8f33"
PRODUCT = {"id": "p1", "available": 7}


class World:
    """A platform where every request succeeds; tests remove parts of it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.services = set(EXPECTED_SERVICES)
        self.kinds = {"server", "client", "producer", "consumer"}
        self.logging = set(EXPECTED_SERVICES)
        self.products = [PRODUCT]
        self.order_status = 201
        self.scraped_after = 1.0
        self.notified = True
        self.mail = True
        self.receiver_status = 200
        self.errors = [TRACE]

    def url(self, service: str, path: str, use: str = "") -> str:
        return f"{HOST}:{self.platform.settings.port(service, use)}{path}"

    def install(self) -> None:
        """Add a response for every request."""
        responses.post(self.url("users", "/api/v1/users"), json={"id": "u1"}, status=201)
        responses.post(self.url("users", "/api/v1/token"), json={"access": "token", "refresh": "r"})
        responses.get(self.url("inventory", "/api/v1/products"), json={"results": self.products})
        headers = {"traceresponse": f"00-{TRACE}-0000000000000001-01"}
        responses.post(
            self.url("orders", "/api/v1/orders"), json={"id": ORDER}, status=self.order_status, headers=headers
        )
        responses.get(self.platform.url("JAEGER_QUERY_PORT", f"/api/traces/{TRACE}"), json={"data": [self._trace()]})
        buckets = [{"key": name, "doc_count": 2} for name in sorted(self.logging)]
        answer = {"aggregations": {"services": {"buckets": buckets}}}
        search = re.escape(self.platform.url("ELASTICSEARCH_PORT"))
        responses.post(re.compile(search + "/logs-django.*"), json=answer)
        responses.post(
            self.platform.url("ERRORS_PORT", "/api/1/store/"), json={"id": EVENT}, status=self.receiver_status
        )
        hits = [{"_source": {"trace": {"id": trace_id}}} for trace_id in self.errors]
        responses.post(re.compile(search + "/logs-errors.*"), json={"hits": {"hits": hits}})
        responses.get(self.url("orders", "/metrics", "metrics"), body="# TYPE x counter\norders_placed_total 41.0\n")
        prometheus = self.platform.url("PROMETHEUS_PORT", "/api/v1/query")
        responses.add_callback(responses.GET, prometheus, callback=self._prometheus)
        responses.get(self.platform.url("PROMETHEUS_PORT", "/api/v1/query_exemplars"), json={"data": []})
        sent = [{"order_id": ORDER, "kind": "order_confirmed"}] if self.notified else []
        responses.get(self.url("notifications", "/api/v1/notifications"), json={"results": sent})
        if self.mail:
            self.platform.paths.mail.mkdir(parents=True)
            (self.platform.paths.mail / "1.log").write_text(f"Subject: your order {ORDER}")

    def _trace(self) -> dict[str, Any]:
        spans = [{"tags": [{"key": "span.kind", "value": kind}]} for kind in sorted(self.kinds)]
        return {"processes": {name: {"serviceName": name} for name in self.services}, "spans": spans}

    def _prometheus(self, request: Any) -> tuple[int, dict[str, str], str]:
        is_time = "timestamp" in request.params["query"]
        value = time.time() + self.scraped_after if is_time else 41
        return 200, {}, json.dumps({"data": {"result": [{"value": [0, str(value)]}]}})


@pytest.fixture
def world(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    platform = Platform(root, environ={})
    platform.paths = Paths(tmp_path, tmp_path / "cache")
    platform.__dict__["runner"] = Runner(platform.paths, {}, supervisor=None)  # type: ignore[arg-type]
    monkeypatch.setattr(probe, "SIGNAL_SECONDS", 0.3)
    monkeypatch.setattr(probe, "EXEMPLAR_SECONDS", 0.0)
    monkeypatch.setattr(probe, "POLL_SECONDS", 0.05)
    return World(platform)


def run(world: World) -> probe.Result:
    world.install()
    return probe.run(probe.Native(world.platform), Console(file=io.StringIO()))


@responses.activate
def test_it_succeeds_when_every_signal_is_present(world: World) -> None:
    result = run(world)
    assert (result.order_id, result.trace_id, result.span_count) == (ORDER, TRACE, 4)
    assert result.log_lines == 2 * len(EXPECTED_SERVICES)
    assert "41" in result.sample
    assert result.mail.endswith("1.log")
    assert result.error == f"logs-errors-default, event {EVENT}"


@responses.activate
def test_errors_are_not_looked_for_when_they_go_to_another_sentry(world: World) -> None:
    world.platform.settings = replace(world.platform.settings, sentry_dsn="https://key@sentry.example/1")
    assert "SENTRY_DSN" in run(world).error
    assert not [call for call in responses.calls if "/store/" in (call.request.url or "")]


@responses.activate
@pytest.mark.parametrize(
    ("step", "process", "change"),
    [
        ("place an order", "orders", lambda w: setattr(w, "order_status", 503)),
        ("list products", "inventory-seed", lambda w: setattr(w, "products", [])),
        ("its whole trace in Jaeger", "jaeger", lambda w: w.services.discard("notifications")),
        ("its whole trace in Jaeger", "jaeger", lambda w: w.kinds.discard("consumer")),
        ("its log lines in Elasticsearch", "rsyslog", lambda w: w.logging.discard("payments")),
        ("its sample in Prometheus", "prometheus", lambda w: setattr(w, "scraped_after", -60.0)),
        ("its mail", "notifications-consumer", lambda w: setattr(w, "notified", False)),
        ("its mail", "notifications-consumer", lambda w: setattr(w, "mail", False)),
        ("its event in the store of errors", "error-receiver", lambda w: setattr(w, "receiver_status", 429)),
        ("its event in the store of errors", "error-receiver", lambda w: setattr(w, "errors", [])),
    ],
)
def test_a_missing_signal_fails_with_its_step_the_log_to_read_and_what_to_do(
    world: World, step: str, process: str, change: Callable[[World], None]
) -> None:
    change(world)
    log = world.platform.paths.log_of(process)
    log.parent.mkdir(parents=True)
    log.write_text("the last words\n")
    with pytest.raises(ProbeFailed) as caught:
        run(world)
    message = str(caught.value)
    assert f"the probe failed at: {step}" in message
    assert "the last words" in message
    assert f"make logs s={process}" in message


@responses.activate
def test_an_unavailable_service_is_named(world: World) -> None:
    with pytest.raises(ProbeFailed, match="the probe failed at: sign up"):
        probe.run(probe.Native(world.platform), Console(file=io.StringIO()))
