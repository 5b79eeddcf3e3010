"""The hardening of every container, and the exceptions, whose reasons are in docker-compose.yml."""

from __future__ import annotations

import json
import re

import catalogue
import pytest

from tests import stack

GIBIBYTE = 1024
# Sums of the limits, MiB.
FULL_AT_MOST = 7.5 * GIBIBYTE
LIGHT_AT_MOST = 4.5 * GIBIBYTE
# The share of this repository's services. An additional one needs more than the README states.
FOR_SERVICES = 1632
OF_SERVICES = {process.name for process in catalogue.load().processes()}
# The image writes below its own folders at each start.
MAY_WRITE = {"elasticsearch", "logstash", "kibana"}
# filebeat reads Docker's files, secrets sets other owners for files, Docker's socket belongs to root.
ROOT_USER = {"filebeat", "secrets", "docker-socket-proxy"}
DOCKER_SOCKET = {"filebeat", "docker-socket-proxy"}
ADDED_CAPABILITIES = {"filebeat": ["DAC_READ_SEARCH"], "secrets": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
# Our own images run as 10001, set in their Dockerfile.
OURS = "django-observability/"
DATABASES = {"postgres", "rabbitmq"}
# Start for minutes.
ELASTIC = {"elasticsearch", "kibana", "logstash"}
# The least that each needs to start and stay, MiB: reports are named in the documentation's page on docker compose.
NEEDED = {"elasticsearch": 1100, "kibana": 1100, "logstash": 768, "grafana": 384, "rabbitmq": 384}


@pytest.mark.parametrize("name", stack.services())
def test_a_container_has_minimal_privileges(name: str) -> None:
    service = stack.services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == ADDED_CAPABILITIES.get(name, [])
    # Docker's socket and files keep their SELinux label, so their readers run without one.
    unlabelled = ["label=disable"] if name in DOCKER_SOCKET else []
    assert service["security_opt"] == ["no-new-privileges:true", *unlabelled]
    assert service["read_only"] is (name not in MAY_WRITE)
    assert "privileged" not in service
    user = str(service.get("user", "10001:10001" if service["image"].startswith(OURS) else "0:0"))
    assert user.startswith("0:") is (name in ROOT_USER)


@pytest.mark.parametrize("name", stack.services())
def test_a_container_has_a_limit_rotated_logs_and_a_restart_policy(name: str) -> None:
    service = stack.services()[name]
    assert 32 <= stack.megabytes(service["mem_limit"]) <= 1200
    # Without it, some engines give a thousand million descriptors; Erlang reserves memory for each.
    assert service["ulimits"] == {"nofile": {"soft": 65536, "hard": 65536}}
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    restarts = "on-failure:5" if name in stack.ONE_SHOTS else "unless-stopped"
    assert service["restart"] == ("no" if name == stack.ON_DEMAND else restarts)


@pytest.mark.parametrize("name", stack.long_running())
def test_a_long_running_container_has_a_health_check_with_a_deadline(name: str) -> None:
    check = stack.services()[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert check["timeout"] == "4s"
    # Each is a new process: one a second in 27 containers keeps two cores from starting what is checked.
    assert int(check["start_interval"].removesuffix("s")) >= (5 if name in ELASTIC else 3)
    # A search among processes must not match itself.
    assert "grep -q" not in check["test"][-1] or "'[" in check["test"][-1]


@pytest.mark.parametrize("name", stack.services())
def test_ports_are_published_on_loopback_by_containers_on_the_edge(name: str) -> None:
    service = stack.services()[name]
    ports = service.get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    if ports:
        # A container on internal networks only can't publish a port.
        assert {"edge", "pages"} & set(service["networks"])


@pytest.mark.parametrize("name", NEEDED)
def test_a_backend_has_the_memory_that_its_image_needs(name: str) -> None:
    assert stack.megabytes(stack.services()[name]["mem_limit"]) >= NEEDED[name]


@pytest.mark.parametrize("name", stack.ONE_SHOTS)
def test_a_one_shot_has_room_for_what_migrations_use(name: str) -> None:
    # 110 MiB resident measured.
    assert stack.megabytes(stack.services()[name]["mem_limit"]) >= 128


def test_a_heap_leaves_room_for_the_rest_of_the_process() -> None:
    limits = {name: stack.megabytes(service["mem_limit"]) for name, service in stack.services().items()}
    kibana = stack.services()["kibana"]["environment"]["NODE_OPTIONS"]
    assert int(re.search(r"--max-old-space-size=(\d+)", kibana)[1]) <= 0.7 * limits["kibana"]  # type: ignore[index]
    for name, service in stack.services().items():
        if limit := service.get("environment", {}).get("GOMEMLIMIT"):
            assert int(limit.removesuffix("MiB")) <= 0.9 * limits[name], name


def test_the_full_stack_sums_to_at_most_seven_and_a_half_gibibytes() -> None:
    limits = {name: stack.megabytes(service["mem_limit"]) for name, service in stack.services().items()}
    staying = sum(limits[name] for name in stack.started_by_up() if name not in OF_SERVICES)
    # The last one-shot, kibana-setup, runs while all others do; the dependants of the earlier ones wait for them.
    assert staying + limits["kibana-setup"] <= FULL_AT_MOST - FOR_SERVICES, f"{staying} MiB stay"


def test_a_process_has_its_limit_from_the_catalogue() -> None:
    for process in catalogue.load().processes():
        assert stack.megabytes(stack.services()[process.name]["mem_limit"]) == process.memory_mib, process.name


def test_the_light_stack_sums_to_at_most_four_and_a_half_gibibytes() -> None:
    light = stack.document("docker-compose.light.yml")["services"]
    left_out = {name for name, change in light.items() if change.get("profiles")}
    assert left_out == {"kibana", "kibana-setup", "logstash", "grafana"}
    limits = {
        name: stack.megabytes(light.get(name, {}).get("mem_limit", service["mem_limit"]))
        for name, service in stack.started_by_up().items()
        if name not in left_out
    }
    backends = sum(limit for name, limit in limits.items() if name not in OF_SERVICES)
    assert backends <= LIGHT_AT_MOST - FOR_SERVICES, f"{backends} MiB"
    for name in set(limits) - {"filebeat"}:
        waits_for = set(stack.services()[name].get("depends_on", {})) & left_out
        assert not waits_for, f"{name} waits for {waits_for}, which the light stack has not"


def test_the_documented_sums_are_those_of_the_limits() -> None:
    light = stack.document("docker-compose.light.yml")["services"]
    full = {name: stack.megabytes(service["mem_limit"]) for name, service in stack.started_by_up().items()}
    small = {
        name: stack.megabytes(light.get(name, {}).get("mem_limit", f"{limit}m"))
        for name, limit in full.items()
        if not light.get(name, {}).get("profiles")
    }
    page = (stack.ROOT / "docs" / "how-to" / "run-with-docker-compose.md").read_text()
    assert f"| **sum of what stays** | **{sum(full.values())}** | **{sum(small.values())}** |" in page


def test_mounted_files_exist() -> None:
    missing = [
        f"{name}: {source}"
        for name, service in stack.services().items()
        for source, _, _ in stack.mounts(service)
        if source.startswith("./") and not (stack.ROOT / source).exists()
    ]
    assert missing == []


def test_files_of_the_repository_are_mounted_read_only() -> None:
    writable = [
        f"{name}: {source}"
        for name, service in stack.services().items()
        for source, _, read_only in stack.mounts(service)
        if source.startswith(("./", "/")) and not read_only
    ]
    assert writable == []


def test_paths_of_this_machine_are_variables() -> None:
    text = (stack.ROOT / "docker-compose.yml").read_text()
    fixed = re.findall(r"^.*(?:- |\[\")/[\w./]+:/.*$", text, re.MULTILINE)
    assert fixed == [], "rootless and snap installations have Docker's socket and log files elsewhere"


def test_no_server_needs_ipv6() -> None:
    # Mailpit's defaults are [::], which a machine without IPv6 refuses.
    mailpit = stack.services()["mailpit"]["environment"]
    assert mailpit["MP_UI_BIND_ADDR"] == "0.0.0.0:8025"
    assert mailpit["MP_SMTP_BIND_ADDR"] == "0.0.0.0:1025"
    text = (stack.ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"\S*\[::\]:\d+", text)


@pytest.mark.parametrize(
    "file", ["docker-compose.yml", "docker-compose.light.yml", "docker-compose.override.example.yml"]
)
def test_selinux_lets_containers_read_files_of_the_repository_and_no_other_label_is_changed(file: str) -> None:
    for name, service in stack.document(file)["services"].items():
        for source, is_relabelled in stack.relabelled(service):
            assert is_relabelled is source.startswith("./"), f"{name}: {source}"


def test_filebeat_can_be_left_out() -> None:
    # Docker Desktop's Enhanced Container Isolation refuses the socket, which stops the whole `up`.
    text = (stack.ROOT / "docker-compose.yml").read_text()
    assert "    scale: ${FILEBEAT_SCALE:-1}\n" in text[text.index("\n  filebeat:\n") : text.index("\n  kibana:\n")]
    assert [name for name, service in stack.services().items() if "filebeat" in service.get("depends_on", {})] == []


def test_dockers_socket_is_mounted_only_where_it_must_be() -> None:
    mounting = {
        name
        for name, service in stack.services().items()
        if any("docker" in source and source.startswith("/") for source, _, _ in stack.mounts(service))
    }
    assert mounting == DOCKER_SOCKET


def test_named_volumes_and_networks_are_declared_and_used() -> None:
    document = stack.document()
    mounted = {
        source
        for service in stack.services().values()
        for source, _, _ in stack.mounts(service)
        if not source.startswith(("./", "/"))
    }
    assert mounted == set(document["volumes"])
    joined = {network for service in stack.services().values() for network in service.get("networks", [])}
    assert joined == set(document["networks"])


def test_a_container_reads_its_own_secrets_only() -> None:
    owners = {name: process.service for process in catalogue.load().processes() for name in [process.name]}
    for name, service in stack.services().items():
        if name == "secrets":
            continue
        own = owners.get(name, re.sub(f"-({'|'.join(stack.STEPS)})$", "", name))
        for source, target, read_only in stack.mounts(service):
            if source == "secrets":
                assert name in {"postgres-setup", "elasticsearch-setup", "kibana-setup"}
            elif source.startswith("secrets-"):
                assert (source, target) == (f"secrets-{own}", "/run/platform"), name
            if source.startswith("secrets"):
                assert read_only, name


def test_the_file_contains_no_secret() -> None:
    suspicious = ("PASSWORD", "SECRET", "TOKEN", "KEY")
    found = [
        f"{name}: {variable}"
        for name, service in stack.services().items()
        for variable, value in service.get("environment", {}).items()
        if any(word in variable for word in suspicious) and not str(value).startswith("/run/platform/")
    ]
    assert found == []


def test_databases_are_reachable_only_along_the_catalogues_edges() -> None:
    edges = {edge.caller for edge in catalogue.load().edges() if edge.protocol in ("sql", "amqp")}
    processes = {process.name for process in catalogue.load().processes() if process.service in edges}
    reaching = {name for name, service in stack.services().items() if "data" in service.get("networks", [])}
    assert reaching == processes | stack.SERVICE_ONE_SHOTS | DATABASES | {"postgres-exporter"}


def test_elasticsearch_is_reachable_only_for_services_with_an_edge_in_the_catalogue() -> None:
    its_own = set(stack.services()["elasticsearch"]["networks"])
    reaching = {name for name, service in stack.services().items() if its_own & set(service.get("networks", []))}
    callers = {edge.caller for edge in catalogue.load().edges() if edge.callee == "elasticsearch"}
    asking = {process.name for process in catalogue.load().processes() if process.service in callers}
    assert reaching & OF_SERVICES == asking


@pytest.mark.parametrize("name", stack.services())
def test_only_containers_that_unpack_machine_code_may_execute_files_in_their_temporary_folder(name: str) -> None:
    # JRuby and JNA do: https://github.com/elastic/logstash/issues/9288. Docker's default is noexec.
    (mount,) = stack.temporary(stack.services()[name])
    assert ("exec" in mount.partition(":")[2].split(",")) is (name in {"elasticsearch", "logstash"})


def test_jaegers_image_leaves_no_anonymous_volumes_behind() -> None:
    # It declares a volume at /tmp, which Docker creates unless another mount has that path; `tmpfs` does not count.
    assert stack.services()["jaeger"]["tmpfs"] == []
    assert [each["type"] for each in stack.services()["jaeger"]["volumes"] if isinstance(each, dict)] == ["tmpfs"]


def test_the_start_order_follows_health_and_has_no_cycle() -> None:
    services = stack.services()
    seen: dict[str, bool] = {}

    def visit(name: str) -> None:
        assert seen.get(name) is not False, f"{name} waits for itself"
        if name in seen:
            return
        seen[name] = False
        for needed, how in services[name].get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in stack.ONE_SHOTS else "service_healthy"
            assert how["condition"] == wanted, f"{name} → {needed}"
            visit(needed)
        seen[name] = True

    for name in services:
        visit(name)


def test_services_do_not_wait_for_telemetry() -> None:
    telemetry = {"jaeger", "elasticsearch", "prometheus", "logstash", "filebeat", "kibana", "elasticsearch-setup"}
    for process in catalogue.load().processes():
        assert telemetry.isdisjoint(stack.services()[process.name]["depends_on"])


def test_health_checks_use_the_port_of_the_process() -> None:
    for process in catalogue.load().processes():
        _, _, port, path = stack.services()[process.name]["healthcheck"]["test"]
        wanted = (process.http_port, "/readyz") if process.kind == "web" else (process.metrics_port, "/metrics")
        assert (int(port), path) == wanted, json.dumps(stack.services()[process.name]["healthcheck"])
