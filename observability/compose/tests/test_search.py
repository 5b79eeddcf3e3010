"""Elasticsearch's roles on the real server with security on, used by the programs that have them.

The server from Maven lacks the security API, so the users come from files; the privileges of a role are the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jaeger_dependencies import job
from jaeger_dependencies.store import Store
from log_pipeline import elasticsearch as log_pipeline
from platform_compose.search_users import USERS, roles
from platform_errors.counters import Counters
from platform_errors.elasticsearch import Connection
from platform_errors.store import Store as ErrorStore
from platform_retention.elasticsearch import ERRORS, Policy, Retention
from platform_testing.polling import eventually
from platform_testing.ports import free_port
from platformctl.install.locations import Locations, system_java_home
from platformctl.paths import Paths
from platformctl.settings import DEFAULT_CACHE

from load import marks
from tests import stack

LOCATIONS = Locations(Paths(stack.ROOT, Path(DEFAULT_CACHE)))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="Elasticsearch runs as another user, which only root can do"),
    pytest.mark.skipif(not LOCATIONS.elasticsearch.is_dir(), reason="Elasticsearch is not installed here: make up"),
]
USER = 10001
ADMIN = "admin"
STREAM = "logs-django-default"
LINE = {
    "@timestamp": datetime.now(UTC).isoformat(),
    "message": "hello",
    "service": {"name": "orders"},
    "event": {"id": "line-1"},
}


@dataclass(frozen=True)
class Server:
    url: str
    passwords: dict[str, str]

    def address(self, user: str) -> str:
        return self.url.replace("http://", f"http://{user}:{self.passwords[user]}@")

    def call(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, f"{self.address(user)}{path}", json=body, timeout=15)


def wait_until_ready(what: str, is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    def running_and_ready() -> bool:
        assert process.poll() is None, f"{what} ended\n{log.read_text()[-3000:]}"
        return is_ready()

    eventually(running_and_ready, what, timeout=120, retry_on=requests.RequestException, look_at=log)


def as_user(*command: str) -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]


def password_hash(password: str) -> str:
    """The password hash in the format of Elasticsearch's file realm."""
    salt = secrets.token_bytes(32)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return "{PBKDF2}10000$" + f"{base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="search-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    passwords = {name: secrets.token_hex(16) for name in (*USERS, ADMIN)}
    etc, ours = folder / "etc", stack.ROOT / "observability" / "elasticsearch"
    etc.mkdir()
    for name in ("elasticsearch.yml", "log4j2.properties"):
        shutil.copy(ours / name, etc)
    shutil.copy(LOCATIONS.elasticsearch / "config" / "jvm.options", etc)
    (etc / "jvm.options.d").mkdir()
    (etc / "jvm.options.d" / "test.options").write_text("-Xms256m\n-Xmx256m\n-XX:TieredStopAtLevel=1\n")
    # The server's reader accepts one role at a time, by lines.
    (etc / "roles.yml").write_text(yaml.safe_dump(roles()))
    (etc / "users").write_text("".join(f"{name}:{password_hash(value)}\n" for name, value in passwords.items()))
    granted = {role: [user for user, names in USERS.items() if role in names] for role in roles()} | {
        "superuser": [ADMIN]
    }
    (etc / "users_roles").write_text("".join(f"{role}:{','.join(users)}\n" for role, users in granted.items()))
    (folder / "tmp").mkdir()
    # elasticsearch.yml turns security off; the settings of docker-compose.yml turn it on again.
    turned_on = {
        key: value
        for key, value in stack.services()["elasticsearch"]["environment"].items()
        if key.startswith(("xpack.security.", "action."))
    }
    assert turned_on["xpack.security.enabled"] == "true"
    port = free_port()
    settings = {
        "http.port": port,
        "transport.port": free_port(),
        "path.data": folder / "data",
        "path.logs": folder / "logs",
    }
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            as_user(
                str(LOCATIONS.elasticsearch / "bin" / "elasticsearch"),
                *(f"-E{key}={value}" for key, value in (turned_on | settings).items()),
            ),
            env={
                "PATH": os.environ["PATH"],
                "ES_PATH_CONF": str(etc),
                "ES_TMPDIR": str(folder / "tmp"),
                "ES_JAVA_HOME": str(system_java_home()),
                "CLI_JAVA_OPTS": "-Xmx32m -XX:+UseSerialGC",
                "HOME": str(folder),
            },
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    found = Server(f"http://127.0.0.1:{port}", passwords)
    try:
        wait_until_ready("Elasticsearch", lambda: found.call(ADMIN, "GET", "/_cluster/health").ok, process, log)
        template = json.loads((ours / "index-templates" / "logs-django.json").read_text())
        assert found.call(ADMIN, "PUT", "/_index_template/logs-django", template).ok
        yield found
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_access_without_a_password_is_refused(server: Server) -> None:
    # The response that the container's health check accepts as a sign of life.
    assert requests.get(f"{server.url}/_cluster/health", timeout=10).status_code == 401


def test_the_shipper_adds_lines_once_and_can_do_nothing_else(server: Server) -> None:
    create = f"/{STREAM}/_create/line-1?refresh=true"
    assert server.call("shipper", "PUT", create, LINE).status_code == 201
    assert server.call("shipper", "PUT", create, LINE).status_code == 409
    refused = [
        ("POST", f"/{STREAM}/_search", None),
        ("DELETE", f"/{STREAM}/_doc/line-1", None),
        ("PUT", "/jaeger-span-2026-01-01/_create/1", LINE),
        ("PUT", "/_index_template/mine", {"index_patterns": ["x"]}),
    ]
    assert {path: server.call("shipper", method, path, body).status_code for method, path, body in refused} == {
        path: 403 for _, path, _ in refused
    }


def test_the_reader_reads_and_cannot_write(server: Server) -> None:
    server.call("shipper", "PUT", f"/{STREAM}/_create/line-2?refresh=true", LINE)
    found = server.call(
        "reader", "POST", "/logs-django-*/_search", {"query": {"term": {"service.name": "orders"}}}
    ).json()
    assert found["hits"]["total"]["value"] >= 1
    assert server.call("reader", "PUT", f"/{STREAM}/_create/line-3", LINE).status_code == 403


def test_the_exporter_sees_the_newest_line(server: Server) -> None:
    fresh = LINE | {"@timestamp": datetime.now(UTC).isoformat()}
    server.call("shipper", "PUT", f"/{STREAM}/_create/line-4?refresh=true", fresh)
    seen = log_pipeline.look(server.address("monitor"), requests.Session())
    assert seen.up
    assert "orders" in seen.newest
    assert seen.disk_used_ratio is not None


def test_the_receiver_of_errors_stores_and_searches_them_and_nothing_else(server: Server) -> None:
    stored = ErrorStore(Connection(server.address("errors")), Counters(), ERRORS)
    stored.start()
    stored.put([("0" * 32, LINE)])
    stored.stop(30)
    assert stored.size == (0, 0)
    assert server.call(ADMIN, "POST", f"/{ERRORS}/_refresh").ok
    for user in ("errors", "reader"):
        assert server.call(user, "POST", f"/{ERRORS}/_search").json()["hits"]["total"]["value"] == 1
    for method, path in (("DELETE", f"/{ERRORS}/_doc/{'0' * 32}"), ("POST", f"/{STREAM}/_search")):
        assert server.call("errors", method, path).status_code == 403, path


def test_retention_rolls_over_and_deletes_old_traces_but_cannot_read_lines(server: Server) -> None:
    server.call("shipper", "PUT", f"/{STREAM}/_create/line-5?refresh=true", LINE)
    assert server.call(ADMIN, "PUT", "/jaeger-span-2020-01-01", {}).ok
    dropped = Retention(server.address("retention"), Policy(7, 3, 30)).apply(datetime.now(UTC))
    assert dropped == ["jaeger-span-2020-01-01"]
    assert server.call("retention", "POST", f"/{STREAM}/_search").status_code == 403


def test_drills_can_mark_block_and_unblock_and_nothing_else(server: Server) -> None:
    server.call("shipper", "PUT", f"/{STREAM}/_create/line-6?refresh=true", LINE)
    url = server.address("drills")
    marks.put("payments-hangs injected", kind="drill", action="injected", elasticsearch_url=url)
    # As load.drills.actions does.
    everything = "/_all/_settings?expand_wildcards=all"
    blocked = {"index.blocks.write": True}
    assert server.call("drills", "PUT", everything, blocked).ok
    assert server.call("shipper", "PUT", f"/{STREAM}/_create/line-7", LINE).status_code == 403
    assert log_pipeline.look(server.address("monitor"), requests.Session()).read_only_indices >= 1
    for free in ({"index.blocks.write": None}, {"index.blocks.read_only_allow_delete": None}):
        assert server.call("drills", "PUT", everything, free).ok
    assert server.call("shipper", "PUT", f"/{STREAM}/_create/line-7", LINE).status_code == 201
    prefix = "cluster.routing.allocation.disk.watermark"
    for share in ("1%", None):
        watermarks = {f"{prefix}.{level}": share for level in ("low", "high", "flood_stage")}
        assert server.call("drills", "PUT", "/_cluster/settings", {"persistent": watermarks}).ok
    refused = [
        ("POST", f"/{STREAM}/_search", None),
        ("POST", "/jaeger-*/_search", None),
        ("DELETE", f"/{STREAM}/_doc/line-6", None),
        ("DELETE", "/jaeger-span-2026-01-01", None),
        ("PUT", "/_index_template/mine", {"index_patterns": ["x"]}),
        ("PUT", "/elsewhere/_create/1", LINE),
    ]
    answers = {path: server.call("drills", method, path, body).status_code for method, path, body in refused}
    assert answers == {path: 403 for _, path, _ in refused}


@dataclass(frozen=True)
class Jaeger:
    traces: str
    query: str


@pytest.fixture(scope="module")
def jaeger(server: Server, folder: Path) -> Iterator[Jaeger]:
    """Jaeger with compose's two files and environment."""
    given = {key: str(value) for key, value in stack.services()["jaeger"]["environment"].items()}
    ports = {name: str(free_port()) for name in given if name.endswith("_PORT")}
    password = folder / "jaeger-password"
    password.write_text(server.passwords["jaeger"])
    given |= ports | {"ELASTICSEARCH_URL": server.url, "ELASTICSEARCH_PASSWORD_FILE": str(password)}
    given |= {"JAEGER_LISTEN_HOST": "127.0.0.1", "PROMETHEUS_URL": "http://127.0.0.1:9"}
    files = [
        f"--config={stack.ROOT / source}"
        for source, inside, _ in stack.mounts(stack.services()["jaeger"])
        if inside.startswith("/etc/jaeger/")
    ]
    log = folder / "jaeger-log"
    with log.open("wb") as output:
        process = subprocess.Popen([str(LOCATIONS.jaeger), *files], env=given, stdout=output, stderr=subprocess.STDOUT)
    try:
        health = f"http://127.0.0.1:{ports['JAEGER_HEALTH_PORT']}/status"
        wait_until_ready("Jaeger", lambda: requests.get(health, timeout=3).ok, process, log)
        traces, query = (f"http://127.0.0.1:{ports[f'JAEGER_{name}_PORT']}" for name in ("OTLP_HTTP", "QUERY"))
        yield Jaeger(f"{traces}/v1/traces", f"{query}/api")
    finally:
        process.terminate()
        process.wait(timeout=30)


def send_call(jaeger: Jaeger, at: datetime) -> str:
    """Send a span of orders that calls payments, and payments' span of the same call. Returns the trace id."""
    trace, ids, now = secrets.token_hex(16), [secrets.token_hex(8) for _ in range(2)], int(at.timestamp() * 1e9)
    spans: list[dict[str, Any]] = [
        {
            "traceId": trace,
            "spanId": ids[0],
            "name": "POST",
            "kind": 3,
            "startTimeUnixNano": str(now),
            "endTimeUnixNano": str(now + 3_000_000),
            "attributes": [{"key": "peer.service", "value": {"stringValue": "payments"}}],
        },
        {
            "traceId": trace,
            "spanId": ids[1],
            "parentSpanId": ids[0],
            "name": "POST /internal/v1/charges",
            "kind": 2,
            "startTimeUnixNano": str(now + 1_000_000),
            "endTimeUnixNano": str(now + 2_000_000),
        },
    ]
    resources = [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeSpans": [{"spans": [span]}],
        }
        for service, span in zip(("orders", "payments"), spans, strict=True)
    ]
    requests.post(jaeger.traces, json={"resourceSpans": resources}, timeout=10).raise_for_status()
    return trace


def test_jaeger_stores_and_finds_a_trace_with_composes_two_files(server: Server, jaeger: Jaeger) -> None:
    trace = send_call(jaeger, datetime.now(UTC))
    eventually(lambda: requests.get(f"{jaeger.query}/traces/{trace}", timeout=5).ok, "the trace", timeout=30)
    assert server.call("jaeger", "POST", f"/{STREAM}/_search").status_code == 403


def test_the_dependencies_job_counts_as_its_user_and_jaeger_shows_the_graph(server: Server, jaeger: Jaeger) -> None:
    # A minute of its own, without the trace of the previous test.
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    trace = send_call(jaeger, minute + timedelta(seconds=10))
    eventually(lambda: requests.get(f"{jaeger.query}/traces/{trace}", timeout=5).ok, "the trace", timeout=30)
    assert server.call(ADMIN, "POST", "/_refresh").ok
    store = Store(server.address("dependencies"))
    assert job.count(store, minute) == 1
    assert server.call(ADMIN, "POST", "/_refresh").ok
    assert store.last_written(datetime.now(UTC), timedelta(hours=1)) == minute
    around = {"endTs": int(time.time() * 1000), "lookback": 3_600_000}
    shown = requests.get(f"{jaeger.query}/dependencies", params=around, timeout=10).json()["data"]
    assert [(link["parent"], link["child"], link["callCount"]) for link in shown] == [("orders", "payments", 1)]
    assert server.call("dependencies", "POST", f"/{STREAM}/_search").status_code == 403
