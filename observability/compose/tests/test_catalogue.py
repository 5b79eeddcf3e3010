"""docker-compose.yml compared with the catalogue, the native processes and the services' settings."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import catalogue
import platform_settings
import pytest
from platform_compose import hosts, secrets
from platformctl import settings
from platformctl.install import versions
from platformctl.paths import Paths
from platformctl.run.environment import ServiceEnvironment
from platformctl.secret_store import SecretStore

from load import settings as load_settings
from tests import stack

SERVICES = catalogue.load()
SETTINGS = hosts.default_settings(SERVICES)
PROCESSES = {process.name: process for process in SERVICES.processes()}
# Not in compose: what only the native platform needs, and what other images do here.
ONLY_NATIVE = {"epmd", "rsyslog"}
ONLY_COMPOSE = {
    "secrets",
    "postgres-setup",
    "elasticsearch-setup",
    "kibana",
    "kibana-setup",
    "logstash",
    "filebeat",
    "grafana",
    "mailpit",
    *(name for name in stack.SERVICE_ONE_SHOTS if name.endswith("-first-user")),
    "drill",
    "docker-socket-proxy",
}
# Host names instead of 127.0.0.1, and separate secrets: the values differ, the names must not.
# The console's: files mounted into its container, and links for users' browsers to other containers.
ONLY_IN_CONTAINERS = {"HTTP_HOST", "GRPC_HOST", "DASHBOARDS_DIR", "RUNBOOKS_DIR"}
FOR_BROWSERS = {"GRAFANA_URL", "JAEGER_UI_URL", "KIBANA_URL"}


def native_environment(tmp_path: Path) -> ServiceEnvironment:
    return ServiceEnvironment(Paths(stack.ROOT, SETTINGS.cache), SETTINGS, SecretStore(tmp_path), SERVICES)


def native_names() -> set[str]:
    """The native processes, from the committed list."""
    text = (stack.ROOT / "observability" / "native" / "process-compose.yaml").read_text()
    return set(re.findall(r"^  ([a-z][a-z-]*):$", text, re.MULTILINE))


def test_it_has_the_native_processes_and_the_elk_stack() -> None:
    assert set(stack.services()) - ONLY_COMPOSE == native_names() - ONLY_NATIVE


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_gets_the_same_variables_as_without_docker(name: str, tmp_path: Path) -> None:
    process = PROCESSES[name]
    here = stack.services()[name]["environment"]
    native = native_environment(tmp_path).of(process)
    secret = {variable for variable in native if variable in secrets.SECRET_VARIABLES}
    secret |= {"JWT_PRIVATE_KEY_FILE"} & set(native)
    # The image sets it for all of them.
    wanted = set(native) - secret - {"PYTHONUNBUFFERED"}
    assert set(here) - ONLY_IN_CONTAINERS - FOR_BROWSERS == wanted
    hosts_differ = {
        "ALLOWED_HOSTS",
        "TELEMETRY_METRICS_HOST",
        "EMAIL_URL",
        "SENTRY_DSN",
        "CONSOLE_ASSETS_DIR",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
    hosts_differ |= {variable for variable in native if variable.endswith(("_URL", "_TARGET"))}
    same = wanted - hosts_differ
    assert {key: str(here[key]) for key in same} == {key: native[key] for key in same}


@pytest.mark.parametrize("name", PROCESSES)
def test_its_addresses_lead_to_containers_with_the_same_ports_as_without_docker(name: str, tmp_path: Path) -> None:
    here = stack.services()[name]["environment"]
    native = native_environment(tmp_path).of(PROCESSES[name])
    apart = {"EMAIL_URL", *FOR_BROWSERS}
    for variable in (v for v in here if v.endswith(("_URL", "_TARGET", "_ENDPOINT")) and v not in apart):
        host, port = re.search(r"([a-z-]+):(\d+)$", here[variable]).groups()  # type: ignore[union-attr]
        assert host in stack.services(), f"{name}: {variable}={here[variable]}: no such container"
        assert native[variable].endswith(f":{port}"), f"{name}: {variable}={here[variable]}, native {native[variable]}"


@pytest.mark.parametrize("name", PROCESSES)
def test_the_settings_know_every_variable(name: str) -> None:
    service = PROCESSES[name].service
    declared = runpy.run_path(str(stack.ROOT / "services" / service / "config" / "environment.py"))["Environment"]
    known = set(platform_settings.variables(declared))
    library = "".join(
        path.read_text()
        for path in (stack.ROOT / "observability" / "django_telemetry" / "src" / "django_telemetry").glob("*.py")
    )
    known |= set(re.findall(r'"((?:OTEL|SENTRY|TELEMETRY)_[A-Z_]+)"', library)) | {"DJANGO_SETTINGS_MODULE"}
    unknown = set(stack.services()[name]["environment"]) - known
    assert not unknown, f"nothing in services/{service}/config/environment.py or django_telemetry reads {unknown}"


@pytest.mark.parametrize("name", PROCESSES)
def test_it_accepts_the_host_names_that_its_callers_use(name: str) -> None:
    service = PROCESSES[name].service
    allowed = set(stack.services()[name]["environment"]["ALLOWED_HOSTS"].split(","))
    assert {service, hosts.TOXIPROXY, "localhost", "127.0.0.1"} <= allowed


@pytest.mark.parametrize("name", PROCESSES)
def test_it_runs_the_command_of_the_catalogue(name: str) -> None:
    process = PROCESSES[name]
    command = stack.services()[name].get("command")
    assert command == (None if process.kind == "web" else ["python", "manage.py", process.command])


@pytest.mark.parametrize("name", PROCESSES)
def test_its_log_lines_are_shipped_with_its_name(name: str) -> None:
    labels = stack.services()[name]["labels"]
    assert labels == {
        "co.elastic.logs/enabled": "true",
        "platform_service": PROCESSES[name].service,
        "platform_process": name,
    }


def test_image_defaults_are_those_of_the_versions_file() -> None:
    pinned = {key: value for key, value in versions.load(stack.ROOT).items() if key.endswith("_IMAGE")}
    text = (stack.ROOT / "docker-compose.yml").read_text()
    here = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", text))
    # Toxiproxy's is built here from the native run's Go module.
    built = {"TOXIPROXY_IMAGE"}
    own = {"PYTHON_IMAGE"} - set(pinned)
    assert {key: value for key, value in here.items() if key not in own} == {
        key: value for key, value in pinned.items() if key not in built | {"GOLANG_IMAGE", "BUSYBOX_IMAGE"}
    }
    assert not [value for value in here.values() if value.endswith(":latest") or ":" not in value]


def test_dockerfile_defaults_are_those_of_compose() -> None:
    text = (stack.ROOT / "docker-compose.yml").read_text()
    dockerfile = (stack.ROOT / "services" / "Dockerfile").read_text()
    assert re.findall(r"\$\{PYTHON_IMAGE:-([^}]+)\}", text) == re.findall(r"^ARG PYTHON_IMAGE=(.+)$", dockerfile, re.M)
    toxiproxy = (stack.ROOT / "observability" / "compose" / "toxiproxy" / "Dockerfile").read_text()
    version = versions.load(stack.ROOT)["TOXIPROXY_VERSION"]
    assert set(re.findall(r"^ARG TOXIPROXY_VERSION=(.+)$", toxiproxy, re.M)) == {version}
    assert set(re.findall(r"\$\{TOXIPROXY_VERSION:-([^}]+)\}", text)) == {version}


def test_the_env_example_marks_what_only_one_way_of_running_reads() -> None:
    here = set()
    for name in ("docker-compose.yml", "docker-compose.light.yml"):
        here |= set(re.findall(r"(?<!\$)\$\{(\w+)", (stack.ROOT / name).read_text()))
    native = {*settings.OTHER_VARIABLES, *settings.ALERT_VARIABLES, *settings.default_ports(SERVICES)}
    read_by = {
        "Without Docker only": lambda name: (name in native, name in here) == (True, False),
        "docker compose only": lambda name: (name in native, name in here) == (False, True),
        "": lambda name: name in native and name in here,
    }
    listed = set()
    for paragraph in (stack.ROOT / ".env.example").read_text().split("\n\n"):
        mark = next(each for each in read_by if paragraph.startswith(f"# {each}"))
        for name in re.findall(r"^#(\w+)=", paragraph, re.MULTILINE):
            assert read_by[mark](name), f"{name}: read without Docker: {name in native}, by compose: {name in here}"
            listed.add(name)
    # Pins are those of observability/versions.env.
    pins = {name for name in here if name.endswith(("_IMAGE", "_VERSION"))} - {"SERVICE_VERSION"}
    assert here - listed == pins | {"COMPOSE_PROJECT_NAME"}


def test_published_ports_are_those_of_the_env_example() -> None:
    example = dict(re.findall(r"^#(\w+_PORT)=(\d+)$", (stack.ROOT / ".env.example").read_text(), re.MULTILINE))
    text = (stack.ROOT / "docker-compose.yml").read_text()
    for variable, default, inside in re.findall(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:(\d+)", text):
        assert default == inside
        assert example[variable] == default, variable


def test_scrape_targets_are_containers_on_a_network_of_prometheus() -> None:
    folder = stack.ROOT / "observability" / "compose" / "generated" / "prometheus" / "targets"
    ours = set(stack.services()["prometheus"]["networks"])
    for path in sorted(folder.glob("*.json")):
        for target in (target for group in json.loads(path.read_text()) for target in group["targets"]):
            host = target.partition(":")[0]
            shared = ours & set(stack.services()[host]["networks"])
            assert shared, f"{path.name}: {target} is on no network of prometheus"


def test_every_targets_file_of_the_configuration_exists() -> None:
    configuration = (stack.ROOT / "observability" / "prometheus" / "prometheus.yml").read_text()
    folder = stack.ROOT / "observability" / "compose" / "generated" / "prometheus"
    named = re.findall(r"targets/[a-z-]+\.json", configuration)
    assert named
    assert [name for name in named if not (folder / name).is_file()] == []


@pytest.mark.parametrize("name", ["traffic", "drill"])
def test_load_may_reach_the_containers(name: str) -> None:
    chosen = load_settings.load(stack.services()[name]["environment"])
    # Raises for names that resolve to other addresses than loopback, unless they are allowed.
    load_settings.refuse_remote(chosen)
    for service, url in chosen.service_urls.items():
        port = next(process.http_port for process in SERVICES.processes() if process.name == service)
        assert url == f"http://{service}:{port}"
