"""The list of processes, compared with the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import catalogue
import pytest
import yaml
from catalogue import Catalogue
from platformctl import settings
from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.paths import Paths
from platformctl.run import processes
from platformctl.run.account import Account
from platformctl.run.backends import Backends
from platformctl.run.environment import ServiceEnvironment
from platformctl.run.model import Group, HttpProbe
from platformctl.run.runner import needs_among
from platformctl.secret_store import SecretStore


@pytest.fixture
def platform(root: Path, tmp_path: Path) -> Platform:
    made = Platform(root, environ={})
    # Secrets for this test only.
    made.secrets._folder = tmp_path / "secrets"
    return made


def test_every_process_of_the_catalogue_runs_with_its_ports(platform: Platform, the_catalogue: Catalogue) -> None:
    for process in the_catalogue.processes():
        listed = platform.processes[process.name]
        wanted = {process.metrics_port, process.http_port, process.grpc_port} - {None}
        assert set(listed.ports.values()) == wanted
        assert listed.working_dir == platform.paths.root / "services" / process.service


def test_no_web_page_can_stop_or_read_prometheus(platform: Platform, root: Path) -> None:
    containers = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    for flags in (platform.processes["prometheus"].command, containers["prometheus"]["command"]):
        assert not [flag for flag in flags if "enable-lifecycle" in flag or "enable-admin-api" in flag]
        (origins,) = [flag.partition("=")[2].replace("$$", "$") for flag in flags if "web.cors.origin" in flag]
        # Prometheus matches the whole origin.
        assert not re.fullmatch(origins, "http://evil.example")
        assert not re.fullmatch(origins, "null")


def test_every_service_process_is_in_the_catalogue(platform: Platform, the_catalogue: Catalogue) -> None:
    known = {process.name for process in the_catalogue.processes()}
    known |= {program.name for program in the_catalogue.programs()}
    running = {p.name for p in platform.processes.values() if p.group is Group.SERVICE and not p.one_shot}
    assert running == known


def test_web_processes_are_ready_when_readyz_says_so(platform: Platform, the_catalogue: Catalogue) -> None:
    for process in the_catalogue.processes():
        if process.kind == "web":
            assert platform.processes[process.name].probe == HttpProbe(process.http_port or 0, "/readyz")


def test_no_two_processes_listen_on_one_port(platform: Platform) -> None:
    ports = [port for process in platform.processes.values() for port in process.ports.values()]
    assert len(ports) == len(set(ports))


def test_every_dependency_exists_and_no_process_waits_for_itself(platform: Platform) -> None:
    everything = platform.processes
    for process in everything.values():
        assert set(process.after) <= set(everything)
        assert process.name not in _all_needs(process.name, platform)


def test_a_service_starts_after_its_migrations_and_they_start_after_the_database(platform: Platform) -> None:
    for service in platform.catalogue.services:
        assert "postgres" in _all_needs(f"{service}-migrate", platform)
        for process in platform.catalogue.services[service].processes:
            assert f"{service}-migrate" in platform.processes[process.name].after


def test_a_service_waits_for_the_database_even_when_its_migrations_are_left_out(platform: Platform) -> None:
    names = {name for name, process in platform.processes.items() if not process.one_shot}
    assert "postgres" in needs_among(platform.processes["users"], names, platform.processes)


def test_callers_get_the_proxys_address_not_the_callees(platform: Platform, the_catalogue: Catalogue) -> None:
    orders = platform.processes["orders"].environment
    proxy = {edge.callee: edge.proxy_port for edge in the_catalogue.proxied_edges() if edge.caller == "orders"}
    assert orders["USERS_URL"] == f"http://127.0.0.1:{proxy['users']}"
    assert orders["PAYMENTS_URL"] == f"http://127.0.0.1:{proxy['payments']}"
    assert orders["INVENTORY_GRPC_TARGET"] == f"127.0.0.1:{proxy['inventory']}"


def test_a_service_has_no_credential_of_another(platform: Platform, the_catalogue: Catalogue) -> None:
    for process in the_catalogue.processes():
        text = "\n".join(platform.processes[process.name].environment.values())
        for other in set(the_catalogue.services) - {process.service}:
            for secret in (f"secret_key_{other}", f"postgres_{other}", f"rabbitmq_{other}"):
                assert platform.secrets.get(secret) not in text, f"{process.name} knows {secret}"


def test_an_internal_api_has_only_the_tokens_of_its_callers(platform: Platform) -> None:
    accepted = {
        name: {pair.partition("=")[0] for pair in process.environment.get("SERVICE_TOKENS", "").split(",") if pair}
        for name, process in platform.processes.items()
        if name in platform.catalogue.services
    }
    wanted = {
        "users": {"orders", "console"},
        "inventory": {"orders", "console"},
        "payments": {"orders", "console"},
        "orders": set(),
        "notifications": set(),
        "console": set(),
    }
    assert {name: accepted[name] for name in wanted} == wanted


def test_only_services_that_verify_or_issue_access_tokens_get_their_issuer(platform: Platform) -> None:
    getting = {process.service for process in platform.processes.values() if "JWT_ISSUER" in process.environment}
    assert {"users", "orders", "notifications"} <= getting
    assert getting.isdisjoint({"inventory", "payments", "console"})


def test_only_services_that_call_internal_apis_have_a_token_of_their_own(platform: Platform) -> None:
    having = {process.service for process in platform.processes.values() if "SERVICE_TOKEN" in process.environment}
    assert "orders" in having
    assert having.isdisjoint({"users", "inventory", "payments", "notifications", "console"})


NEWCOMER = """
  newcomer:
    title: Newcomer
    description: Arrives last
    owner: checkout
    app: guests
    database: newcomer
    seed: seed_carriers
    processes:
      newcomer: {kind: web, http_port: 8907, metrics_port: 8917}
      newcomer-consumer: {kind: worker, metrics_port: 8947, command: consume}
    depends_on:
      - {service: orders, protocol: http, proxy_port: 18971}
      - {service: inventory, protocol: grpc, variable: STOCK_TARGET}
      - {service: card-provider, protocol: http}
      - {service: jaeger, protocol: http}
      - {service: postgresql, protocol: sql}
      - {service: rabbitmq, protocol: amqp}
"""


def test_a_service_that_is_only_in_the_catalogue_runs_with_all_its_dependencies(root: Path, tmp_path: Path) -> None:
    text = catalogue.default_path().read_text()
    changed = tmp_path / "catalogue.yaml"
    changed.write_text(text.replace("services:\n", f"services:{NEWCOMER}", 1))
    known = catalogue.load(changed)
    chosen = settings.load(tmp_path, known, environ={})
    paths, secrets = Paths(root, tmp_path / "cache"), SecretStore(tmp_path / "secrets")
    backends = Backends(paths, chosen, secrets, Account("platform-test"))
    listed = processes.build(paths, chosen, known, backends, ServiceEnvironment(paths, chosen, secrets, known))
    web = listed["newcomer"]
    assert web.after == ("newcomer-migrate", "newcomer-seed", "rabbitmq", "toxiproxy")
    assert listed["newcomer-seed"].command[-1] == "seed_carriers"
    assert web.working_dir == root / "services" / "newcomer"
    assert web.environment["ORDERS_URL"] == "http://127.0.0.1:18971"
    assert web.environment["STOCK_TARGET"] == "127.0.0.1:8202"
    assert web.environment["CARD_PROVIDER_URL"] == "http://127.0.0.1:8006"
    assert web.environment["JAEGER_URL"] == "http://127.0.0.1:16686"
    assert web.environment["RABBITMQ_URL"].startswith("amqp://newcomer:")
    assert web.environment["DATABASE_URL"].startswith("postgres://newcomer:")
    token = web.environment["SERVICE_TOKEN"]
    assert f"newcomer={token}" in listed["orders"].environment["SERVICE_TOKENS"].split(",")


def test_only_users_has_the_private_key(platform: Platform) -> None:
    holders = {p.service for p in platform.processes.values() if "JWT_PRIVATE_KEY_FILE" in p.environment}
    assert holders == {"users"}


def test_a_one_shot_serves_no_metrics_and_sends_no_spans(platform: Platform) -> None:
    for process in platform.processes.values():
        if process.one_shot:
            assert "TELEMETRY_METRICS_PORT" not in process.environment
            assert process.environment["OTEL_SDK_DISABLED"] == "true"


def test_selecting_a_service_includes_its_dependencies(platform: Platform) -> None:
    names = {process.name for process in processes.select(platform.processes, ["orders"])}
    assert {"orders", "orders-relay", "orders-migrate", "postgres", "rabbitmq", "epmd", "toxiproxy"} <= names
    assert not {"users", "elasticsearch", "traffic"} & names


def test_selecting_a_group_includes_all_of_it_and_no_other(platform: Platform) -> None:
    chosen = processes.select(platform.processes, ["backends"])
    assert {process.group for process in chosen} == {Group.BACKEND}
    assert len(chosen) == sum(1 for p in platform.processes.values() if p.group is Group.BACKEND)


def test_an_unknown_name_is_refused_with_the_known_ones(platform: Platform) -> None:
    with pytest.raises(PlatformError) as caught:
        processes.select(platform.processes, ["order"])
    assert "'order'" in str(caught.value)
    assert "orders-relay" in str(caught.value)


def _all_needs(name: str, platform: Platform) -> set[str]:
    needs: set[str] = set()
    for direct in platform.processes[name].after:
        needs |= {direct} | _all_needs(direct, platform)
    return needs
