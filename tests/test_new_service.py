"""Adding a service takes what services/README.md says: one folder, one entry. Then it is run, watched and operated.

A copy of this checkout gets the service `shipping` by `make new-service` and `make generate`; no other file is edited.
It is in var/new-service and runs beside this platform on ports of its own (NEW_SERVICE_PORT_OFFSET). It is removed
afterwards; what a killed run left is removed by the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import catalogue
import pytest
import requests
import yaml
from contracts.events import EVENT_EXCHANGE, ORDER_CONFIRMED, encode
from platform_testing.checkout import copy_checkout
from platform_testing.polling import eventually
from platformctl.app import Platform
from platformctl.run.broker import ADMIN
from platformctl.run.environment import VIRTUAL_HOST

from tests.support.elasticsearch import Elasticsearch
from tests.support.events import confirmed
from tests.support.expect import expect
from tests.support.jaeger import Jaeger
from tests.support.prometheus import Prometheus
from tests.support.rabbitmq import RabbitMq
from tests.support.shop import Customer, Shop, Urls, show, trace_id

ROOT = Path(__file__).resolve().parents[1]
NAME, APP = "shipping", "parcels"
PORT_OFFSET = os.environ.get("NEW_SERVICE_PORT_OFFSET", "4000")
# What the proof needs beside the service; each brings what it needs itself.
STARTED = ("jaeger", "prometheus", "rsyslog", "users", "console", NAME)
# Variables of this checkout's run, such as where its tests find servers.
NOT_KEPT = ("TEST_", "BENCH_", "CONSOLE_", "DJANGO_", "PYTEST_", "VIRTUAL_ENV")
# Tests of lists and generated files; they need nothing that runs.
STATIC_TESTS = (
    ("services/catalogue", ()),
    ("tests", ("test_catalogue.py",)),
    ("observability/native", ("tests/test_generated.py", "tests/test_processes.py", "tests/test_lock.py")),
    (
        "observability/compose",
        # The page's sums are those of this repository's services.
        (
            "tests/test_files.py",
            "tests/test_catalogue.py",
            "tests/test_hardening.py",
            "--deselect=tests/test_hardening.py::test_the_documented_sums_are_those_of_the_limits",
        ),
    ),
)

pytestmark = [pytest.mark.new_service, pytest.mark.timeout(2400)]


@dataclass(frozen=True)
class Clone:
    """The copy, with the service in it."""

    root: Path

    def make(self, *arguments: str) -> str:
        """Run make in it. What it prints; fails with the end of that."""
        return self.run("make", "--no-print-directory", *arguments)

    def run(self, *command: str, folder: str = ".") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_KEPT)}
        done = subprocess.run(
            command,
            cwd=self.root / folder,
            env=environment | {"PORT_OFFSET": PORT_OFFSET},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )
        expect(done.returncode == 0, f"{' '.join(command)} to succeed", done.stdout[-3000:], str(self.root / folder))
        return done.stdout

    @cached_property
    def platform(self) -> Platform:
        """Its ports and secrets."""
        return Platform(self.root, environ={"PORT_OFFSET": PORT_OFFSET})


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """A copy of what this checkout has or would commit, with the new service and all that is generated."""
    made = Clone(ROOT / "var" / "new-service")
    root = made.root
    if root.exists():  # A run that was killed has removed nothing.
        _remove(made)
    root.mkdir(parents=True)
    try:
        copy_checkout(ROOT, root)
        made.make("new-service", f"name={NAME}", f"app={APP}", "owner=checkout")
        made.make("generate")
        yield made
    finally:
        _remove(made)


def _remove(clone: Clone) -> None:
    """Stop what runs of the copy's platform, and delete it with its state."""
    state = (clone.root / "var").resolve()
    if state.exists():
        clone.make("reset")
    shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(clone.root)


@dataclass(frozen=True)
class Running:
    """The copy's platform, as far as it was started."""

    clone: Clone
    user: str
    password: str

    @property
    def platform(self) -> Platform:
        return self.clone.platform

    def url(self, service: str, path: str) -> str:
        return f"http://127.0.0.1:{self.platform.settings.port(service)}{path}"


@pytest.fixture(scope="module")
def running(clone: Clone) -> Running:
    """Runs the service with what it needs."""
    output = clone.make("up", f"only={','.join(STARTED)}")
    login = re.search(r"user (\S+), password (\S+)", output)
    expect(login is not None, "the console's first user", output[-2000:], "make up")
    assert login is not None
    return Running(clone, login[1], login[2])


@pytest.fixture(scope="module")
def customer(running: Running) -> Customer:
    """A customer with an access token."""
    return Shop(Urls.of(running.platform.settings)).new_customer()


@pytest.fixture(scope="module")
def request_trace(running: Running, customer: Customer) -> str:
    """The trace of a request to the service."""
    response = requests.get(running.url(NAME, "/api/v1/records"), headers=customer.headers, timeout=15)
    expect(response.status_code == 200, "200", show(response), running.url(NAME, "/api/docs/"))
    return trace_id(response)


@pytest.fixture(scope="module")
def event_trace(running: Running, customer: Customer) -> str:
    """The trace of an event that the service has recorded."""
    platform = running.platform
    broker = RabbitMq(
        platform.url("RABBITMQ_MANAGEMENT_PORT"),
        ADMIN,
        platform.secrets.get(f"rabbitmq_{ADMIN}"),
        VIRTUAL_HOST,
        platform.environment.rabbitmq_url(ADMIN),
    )
    trace = uuid.uuid4().hex
    event = confirmed(str(uuid.uuid4()))
    event["data"]["customer"]["id"] = customer.id
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    broker.publish(EVENT_EXCHANGE, ORDER_CONFIRMED, encode(event), message_id=event["id"], headers=headers)

    def recorded() -> list[str]:
        found = requests.get(running.url(NAME, "/api/v1/records"), headers=customer.headers, timeout=15).json()
        return [record["order_id"] for record in found["results"]]

    eventually(
        recorded,
        "the order to be recorded",
        accept=lambda orders: event["subject"] in orders,
        timeout=30,
        look_at=broker.queue_url(f"{NAME}.orders"),
    )
    return trace


def test_the_catalogue_has_one_entry_more(clone: Clone) -> None:
    known = clone.platform.catalogue
    assert set(known.services) - set(catalogue.load().services) == {NAME}


@pytest.mark.parametrize(("folder", "arguments"), STATIC_TESTS, ids=[each[0] for each in STATIC_TESTS])
def test_no_list_lacks_it(clone: Clone, folder: str, arguments: tuple[str, ...]) -> None:
    clone.run(str(clone.root / ".venv" / "bin" / "python"), "-m", "pytest", "-q", *arguments, folder=folder)


def test_its_types_imports_and_style_are_clean(clone: Clone) -> None:
    python = str(clone.root / ".venv" / "bin" / "python")
    folder = f"services/{NAME}"
    clone.run(python, "-m", "platformctl.dev.typecheck", folder)
    clone.run(python, "-m", "platformctl.dev.imports")
    for check in (["check"], ["format", "--check"]):
        clone.run(python, "-m", "ruff", *check, folder)


def test_docker_compose_has_its_containers(clone: Clone) -> None:
    # Built by observability/compose/tools/build; without it the file itself is read.
    tool = next(iter(sorted(clone.platform.settings.cache.glob("docker-compose/*/docker-compose"))), None)
    text = clone.run(str(tool), "config") if tool else (clone.root / "docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    assert {NAME, f"{NAME}-migrate", f"{NAME}-consumer"} <= set(services)
    assert services[NAME]["environment"]["USERS_URL"].startswith("http://toxiproxy:")


def test_its_own_tests_pass(running: Running) -> None:
    output = running.clone.run("observability/native/bootstrap", "test", NAME)
    assert re.search(r"^[1-9]\d* passed, 0 failed", output, re.MULTILINE), output[-2000:]


def test_a_requests_trace_is_in_jaeger_with_its_call_to_users(running: Running, request_trace: str) -> None:
    jaeger = Jaeger(running.platform.url("JAEGER_QUERY_PORT"))
    eventually(
        lambda: jaeger.trace(request_trace),
        f"a trace of {NAME} with a call to users",
        # users continues no trace of a caller without a token.
        accept=lambda trace: {"users", "postgresql"} <= {span.attributes.get("peer.service") for span in trace},
        timeout=45,
    )


def test_an_events_trace_is_in_jaeger_by_the_consumer(running: Running, event_trace: str) -> None:
    jaeger = Jaeger(running.platform.url("JAEGER_QUERY_PORT"))
    eventually(
        lambda: jaeger.trace(event_trace),
        f"a span of {NAME}'s consumer",
        accept=lambda trace: any(span.kind == "consumer" for span in trace),
        timeout=45,
    )


def test_its_log_lines_are_in_elasticsearch(running: Running, request_trace: str, event_trace: str) -> None:
    elasticsearch = Elasticsearch(running.platform.url("ELASTICSEARCH_PORT"))
    for trace, process in ((request_trace, NAME), (event_trace, f"{NAME}-consumer")):
        eventually(
            lambda trace=trace, process=process: elasticsearch.logs(  # type: ignore[misc]
                trace__id=trace, service__name=NAME, process__name=process
            ),
            f"a line of {process}",
            timeout=45,
            look_at=elasticsearch.search_url(f"trace.id:{trace}"),
        )


def test_its_metrics_are_in_prometheus(running: Running, event_trace: str) -> None:
    prometheus = Prometheus(running.platform.url("PROMETHEUS_PORT"))
    query = f'{NAME}_records_total{{service="{NAME}", process="{NAME}-consumer", result="recorded"}}'
    eventually(
        lambda: prometheus.query(query),
        "the recorded event",
        accept=lambda series: bool(series) and series[0][1] >= 1,
        timeout=30,
        look_at=prometheus.graph_url(query),
    )
    scraped = {target.process: target.health for target in prometheus.targets() if target.service == NAME}
    assert scraped == {NAME: "up", f"{NAME}-consumer": "up"}


def test_its_alert_rules_are_loaded(running: Running) -> None:
    answer = requests.get(running.platform.url("PROMETHEUS_PORT", "/api/v1/rules"), timeout=15).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    naming = {rule["name"] for rule in rules if re.search(rf"\b{NAME}\b", rule["query"])}
    # The process, its queue, its database, its spans.
    assert {"TargetMissing", "QueueMissing", "process:served_spans:increase15s"} <= naming, sorted(naming)


def test_its_edge_has_a_proxy(running: Running) -> None:
    proxies = requests.get(running.platform.url("TOXIPROXY_PORT", "/proxies"), timeout=15).json()
    proxy = proxies[f"{NAME}-users"]
    port = running.platform.settings.port
    assert proxy["enabled"]
    assert (proxy["listen"], proxy["upstream"]) == (
        f"127.0.0.1:{port(f'{NAME}-users', 'proxy')}",
        f"127.0.0.1:{port('users')}",
    )


def test_the_console_has_its_page(running: Running) -> None:
    session = requests.Session()
    login = running.url("console", "/login")
    page = session.get(login, timeout=15)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None, page.text[:1000]
    form = {"csrfmiddlewaretoken": token[1], "username": running.user, "password": running.password}
    session.post(login, data=form, headers={"Referer": login}, timeout=15).raise_for_status()
    shown = session.get(running.url("console", f"/services/{NAME}"), timeout=30)
    expect(shown.status_code == 200, "200", show(shown), shown.url)
    assert "Shipping" in shown.text
    assert "Keeps a record of each confirmed order" in shown.text
