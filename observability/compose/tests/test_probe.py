"""The probe inside the containers' networks: its requests and its messages."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import catalogue
import pytest
import requests
import responses
from platform_compose import probe
from platformctl.dev import probe as native_probe

from tests import stack

SERVICES = catalogue.load()
PASSWORD = {probe.READER_VARIABLE: "p/@", probe.ERRORS_VARIABLE: "key"}
ORDER, TRACE = "0b0e7c5e-1111-4222-8333-444455556666", "5741556dbbb265d426c07fe5162ad67b"
VARIABLES = (
    *("USERS_PORT", "INVENTORY_PORT", "ORDERS_PORT", "ORDERS_METRICS_PORT", "NOTIFICATIONS_PORT"),
    *("JAEGER_QUERY_PORT", "PROMETHEUS_PORT", "ELASTICSEARCH_PORT", "ERRORS_PORT"),
)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_probe, "SIGNAL_SECONDS", 0.3)
    monkeypatch.setattr(native_probe, "EXEMPLAR_SECONDS", 0.0)
    monkeypatch.setattr(native_probe, "POLL_SECONDS", 0.05)


def answer(*, logging: frozenset[str]) -> None:
    """Containers that respond as after an order; `logging` are the services whose log lines are found."""
    names = sorted(native_probe.EXPECTED_SERVICES)
    responses.post("http://users:8001/api/v1/users", json={"id": "u1"}, status=201)
    responses.post("http://users:8001/api/v1/token", json={"access": "token"})
    responses.get("http://inventory:8002/api/v1/products", json={"results": [{"id": "p1", "available": 7}]})
    headers = {"traceresponse": f"00-{TRACE}-0000000000000001-01"}
    responses.post("http://orders:8003/api/v1/orders", json={"id": ORDER}, status=201, headers=headers)
    trace = {
        "processes": {name: {"serviceName": name} for name in names},
        "spans": [{"tags": [{"key": "span.kind", "value": kind}]} for kind in ("server", "consumer")],
    }
    responses.get(f"http://jaeger:16686/api/traces/{TRACE}", json={"data": [trace]})
    buckets = [{"key": name, "doc_count": 2} for name in names if name in logging]
    responses.post("http://error-receiver:9097/api/1/store/", json={"id": "e1"})
    responses.add_callback(
        responses.POST,
        re.compile(r"http://[^/]*elasticsearch:9200/.*"),
        callback=lambda request: _search(request, buckets),
    )
    responses.get("http://orders:8103/metrics", body="orders_placed_total 41.0\n")
    responses.add_callback(responses.GET, "http://prometheus:9090/api/v1/query", callback=_query)
    responses.get("http://prometheus:9090/api/v1/query_exemplars", json={"data": []})
    sent = {"results": [{"order_id": ORDER, "kind": "order_confirmed"}]}
    responses.get("http://notifications:8005/api/v1/notifications", json=sent)


def _search(request: requests.PreparedRequest, buckets: list[dict[str, Any]]) -> tuple[int, dict[str, str], str]:
    if request.headers.get("Authorization") != requests.auth._basic_auth_str("reader", "p/@"):
        return 401, {}, "{}"
    hits = [{"_source": {"trace": {"id": TRACE}}}]
    return 200, {}, json.dumps({"aggregations": {"services": {"buckets": buckets}}, "hits": {"hits": hits}})


def _query(request: Any) -> tuple[int, dict[str, str], str]:
    value = time.time() + 1 if "timestamp" in request.params["query"] else 41
    return 200, {}, json.dumps({"data": {"result": [{"value": [0, str(value)]}]}})


@responses.activate
def test_an_order_is_found_in_every_signal(capsys: pytest.CaptureFixture[str]) -> None:
    answer(logging=native_probe.EXPECTED_SERVICES)
    assert probe.run(SERVICES, PASSWORD) == 0
    printed = capsys.readouterr().out
    assert TRACE in printed
    names = sorted(native_probe.EXPECTED_SERVICES)
    assert f"{2 * len(names)} lines of {', '.join(names)}" in printed
    assert "sent by SMTP, order_confirmed" in printed
    assert "errors   logs-errors-default, event e1" in printed


@responses.activate
def test_a_missing_signal_is_named_with_the_container_to_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    answer(logging=native_probe.EXPECTED_SERVICES - {"payments"})
    assert probe.run(SERVICES, PASSWORD) == 1
    printed = capsys.readouterr().out
    assert "the probe failed at: its log lines in Elasticsearch" in printed
    assert "docker compose logs filebeat" in printed


def test_a_missing_password_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.run(SERVICES, {}) == 2
    assert probe.READER_VARIABLE in capsys.readouterr().out


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_container_reaches_everything_that_the_probe_calls(variable: str) -> None:
    host = re.split("[:@/]", probe.Containers(SERVICES, "p", "k").url(variable).removeprefix("http://"))[-2]
    assert set(stack.services()["drill"]["networks"]) & set(stack.services()[host]["networks"]), host


def test_the_container_accepts_the_command_probe(tmp_path: Path) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    script = stack.ROOT / "observability" / "compose" / "drill"
    printed = subprocess.run(
        ["/bin/sh", str(script), "probe"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert printed.stdout.splitlines() == ["-m", "platform_compose", "probe"]
