"""The blocks of docker-compose.yml that are generated from the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catalogue
import pytest
import yaml
from platform_compose import blocks, generated
from platformctl.errors import PlatformError

from tests import stack

NEWCOMER = """
  newcomer:
    title: Newcomer
    description: Arrives last
    owner: checkout
    app: guests
    database: newcomer
    public: true
    seed: seed_carriers
    consumes:
      newcomer.orders: {events: [order.confirmed.v1]}
    processes:
      newcomer: {kind: web, http_port: 8907, metrics_port: 8917, memory_mib: 200}
      newcomer-grpc: {kind: grpc, grpc_port: 8927, metrics_port: 8937, command: serve}
      newcomer-consumer: {kind: worker, metrics_port: 8947, command: consume}
    depends_on:
      - {service: users, protocol: http, proxy_port: 18971}
      - {service: inventory, protocol: grpc}
      - {service: elasticsearch, protocol: http}
      - {service: postgresql, protocol: sql}
      - {service: rabbitmq, protocol: amqp}
"""


@pytest.fixture
def newcomer(tmp_path: Path) -> catalogue.Catalogue:
    """The catalogue with one additional service."""
    file = tmp_path / "catalogue.yaml"
    file.write_text(catalogue.default_path().read_text().replace("services:\n", f"services:{NEWCOMER}", 1))
    return catalogue.load(file)


def updated(services: catalogue.Catalogue, root: Path = stack.ROOT) -> str:
    return blocks.updated((stack.ROOT / "docker-compose.yml").read_text(), root, services)


def parsed(services: catalogue.Catalogue) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(stack.interpolate(updated(services)))
    return document


def test_a_change_inside_a_block_is_detected() -> None:
    text = (stack.ROOT / "docker-compose.yml").read_text()
    for line in ("  USERS_URL: http://users:8001\n", "  users-migrate:\n"):
        edited = text.replace(line, line.replace("users", "accounts"), 1)
        assert edited != text
        assert blocks.updated(edited, stack.ROOT, catalogue.load()) == text


def test_a_file_without_a_block_is_refused() -> None:
    text = (stack.ROOT / "docker-compose.yml").read_text()
    with pytest.raises(PlatformError, match="no block from '# >>> generated: services'"):
        blocks.updated(text.replace("# <<< generated: services", ""), stack.ROOT, catalogue.load())


def test_the_file_is_among_those_that_are_checked() -> None:
    assert "docker-compose.yml" in generated.current(catalogue.load())


def test_a_service_of_the_catalogue_gets_its_containers(newcomer: catalogue.Catalogue) -> None:
    services = parsed(newcomer)["services"]
    web, grpc, worker = services["newcomer"], services["newcomer-grpc"], services["newcomer-consumer"]
    assert web["image"] == "django-observability/newcomer:dev"
    assert services["newcomer-migrate"]["build"]["args"]["SERVICE"] == "newcomer"
    assert "build" not in web
    assert web["ports"] == ["127.0.0.1:8907:8907"]
    assert (web["mem_limit"], grpc["mem_limit"], worker["mem_limit"]) == ("200m", "112m", "112m")
    assert web["networks"] == ["edge", "services", "data", "telemetry", "search"]
    assert worker["networks"] == ["services", "data", "telemetry", "search"]
    assert grpc["environment"]["GRPC_PORT"] == "8927"
    assert worker["command"] == ["python", "manage.py", "consume"]
    assert web["environment"]["USERS_URL"] == "http://toxiproxy:18971"
    assert web["environment"]["INVENTORY_GRPC_TARGET"] == "inventory-grpc:8202"
    assert web["environment"]["ELASTICSEARCH_URL"] == "http://elasticsearch:9200"
    assert web["environment"]["JWT_ISSUER"] == "users"
    assert web["volumes"] == ["secrets-newcomer:/run/platform:ro"]


def test_its_processes_wait_for_its_own_steps_and_the_dependencies_of_its_edges(newcomer: catalogue.Catalogue) -> None:
    services = parsed(newcomer)["services"]
    assert services["newcomer-migrate"]["depends_on"] == {"postgres-setup": {"condition": blocks.ENDED}}
    assert services["newcomer-seed"]["depends_on"] == {"newcomer-migrate": {"condition": blocks.ENDED}}
    assert services["newcomer-seed"]["command"] == ["python", "manage.py", "seed_carriers"]
    for name in ("newcomer", "newcomer-grpc", "newcomer-consumer"):
        assert services[name]["depends_on"] == {
            "newcomer-seed": {"condition": blocks.ENDED},
            "rabbitmq": {"condition": blocks.HEALTHY},
            "toxiproxy": {"condition": blocks.HEALTHY},
        }


def test_its_secrets_its_address_and_the_start_of_traffic_are_configured(
    newcomer: catalogue.Catalogue,
) -> None:
    document = parsed(newcomer)
    assert "secrets-newcomer:/secrets/readers/newcomer" in document["services"]["secrets"]["volumes"]
    assert document["volumes"]["secrets-newcomer"] == {}
    assert document["services"]["traffic"]["environment"]["NEWCOMER_URL"] == "http://newcomer:8907"
    assert document["services"]["traffic"]["depends_on"]["newcomer-consumer"] == {"condition": blocks.HEALTHY}


def test_a_services_own_file_adds_to_its_containers(tmp_path: Path) -> None:
    service = catalogue.load().services["users"]
    folder = tmp_path / service.folder
    folder.mkdir(parents=True)
    assert blocks.overlay(tmp_path, service) == blocks.Overlay()
    (folder / "compose.yaml").write_text("environment: {PAGE_SIZE: '20'}\nvolumes: [./pages:/pages:ro]\n")
    assert blocks.overlay(tmp_path, service) == blocks.Overlay({"PAGE_SIZE": "20"}, ("./pages:/pages:ro",))
    (folder / "compose.yaml").write_text("privileged: true\n")
    with pytest.raises(PlatformError, match=r"services/users/compose\.yaml: privileged; allowed: environment, volum"):
        blocks.overlay(tmp_path, service)


@pytest.mark.parametrize("value", ["8001", "", "on", "a: b", "${X:-smtp://host:25}", "users,toxiproxy", "#x", "1.0"])
def test_a_value_is_parsed_as_the_same_string(value: str) -> None:
    assert yaml.safe_load(f"key: {blocks.scalar(value)}") == {"key": value}
