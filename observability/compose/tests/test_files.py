"""The files that the containers mount, each checked by its program's own checker if this machine has it."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import catalogue
import psycopg
import pytest
import yaml
from platform_compose import __main__ as commands
from platform_compose import generated, kibana_setup, search_setup, secrets
from platform_compose.search_users import USERS, roles, secret_name
from platformctl.install import versions
from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.run.environment import ERRORS_KEY
from platformctl.secret_store import SecretStore
from platformctl.settings import DEFAULT_CACHE

from tests import stack

OBSERVABILITY = stack.ROOT / "observability"
SERVICES = catalogue.load()


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def require(tool: str) -> str:
    found = shutil.which(tool, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{tool} is not installed here")
    return found


def mounted(container: str, target: Path, prefix: str) -> None:
    """Copy the container's files below `prefix` to `target`, in the structure in which they are mounted."""
    for source, inside, _ in stack.mounts(stack.services()[container]):
        if source.startswith("./") and inside.startswith(prefix):
            path = target / inside.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            origin = stack.ROOT / source
            shutil.copytree(origin, path) if origin.is_dir() else shutil.copyfile(origin, path)


def test_generated_files_are_current() -> None:
    assert generated.stale(SERVICES) == [], "run: make generate"


def test_docker_compose_accepts_the_file_alone_and_with_each_other_file() -> None:
    binary = stack.docker_compose()
    if binary is None:
        pytest.skip("no docker compose here: observability/compose/tools/build docker-compose")
    main = ("--profile", "drills", "-f", "docker-compose.yml")
    others = (("-f", "docker-compose.light.yml"), ("-f", "docker-compose.override.example.yml"))
    variants = [(*main, *first, *second) for first in ((), others[0]) for second in ((), others[1])]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    # The first two words select the profile.
    for variant in [*variants, *(variant[2:] for variant in variants)]:
        checked = run(str(binary), *variant, "config", "--quiet", cwd=stack.ROOT, env=environment)
        assert (checked.returncode, checked.stderr) == (0, ""), f"docker compose {variant}: {checked.stderr}"
    # The tests' own parsing of the file agrees with compose's.
    answer = run(str(binary), *main, "config", "--format", "json", cwd=stack.ROOT, env=environment)
    resolved = json.loads(answer.stdout)["services"]
    assert set(resolved) == set(stack.services())
    for name, service in stack.services().items():
        here = {key: str(value) for key, value in service.get("environment", {}).items()}
        assert resolved[name].get("environment", {}) == here, name
        assert int(resolved[name]["mem_limit"]) == stack.megabytes(service["mem_limit"]) * 1024 * 1024, name


@pytest.mark.parametrize("light", [(), ("-f", "docker-compose.light.yml")], ids=["full", "light"])
def test_docker_compose_resolves_the_file_with_unusual_settings(light: tuple[str, ...]) -> None:
    binary = stack.docker_compose()
    if binary is None:
        pytest.skip("no docker compose here: observability/compose/tools/build docker-compose")
    unusual = {
        "COMPOSE_PROJECT_NAME": "second",
        "DOCKER_CONTAINERS": "/home/me/.local/share/docker/containers",
        "DOCKER_SOCKET": "/run/user/1000/docker.sock",
        "EMAIL_URL": "smtp://me:p$ss@mail:25",
        "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
        "FILEBEAT_SCALE": "0",
        "PROMETHEUS_PORT": "19090",
        "SENTRY_DSN": "",
        "SERVICE_VERSION": "",
    }
    command = (str(binary), "--profile", "drills", "-f", "docker-compose.yml", *light, "config", "--format", "json")
    answer = run(*command, cwd=stack.ROOT, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **unusual})
    assert (answer.returncode, answer.stderr) == (0, "")
    resolved = json.loads(answer.stdout)
    services = resolved["services"]
    assert resolved["name"] == "second"
    assert services["filebeat"]["scale"] == 0
    for name in ("filebeat", "docker-socket-proxy"):
        sources = {each["target"]: each["source"] for each in services[name]["volumes"]}
        assert sources["/var/run/docker.sock"] == unusual["DOCKER_SOCKET"]
    assert services["prometheus"]["ports"][0]["published"] == "19090"
    assert services["notifications"]["environment"]["EMAIL_URL"] == unusual["EMAIL_URL"].replace("$", "$$")
    # An empty variable is as if it were not set.
    assert services["orders"]["image"] == "django-observability/orders:dev"
    assert all("second-" in each for each in services["docker-socket-proxy"]["command"] if "/containers/" in each)


def prometheus_image_promtool() -> Path:
    """promtool of the image's release."""
    tool = stack.go_tool("prometheus") / "promtool"
    if not tool.is_file():
        pytest.skip("no promtool 3 here: python -m platformctl.dev.tools prometheus")
    return tool


@pytest.mark.parametrize("version", ["of the run without Docker", "of the image"])
def test_promtool_accepts_the_mounted_prometheus_files(tmp_path: Path, version: str) -> None:
    promtool = str(prometheus_image_promtool()) if version == "of the image" else require("promtool")
    mounted("prometheus", tmp_path, "/etc/prometheus")
    checked = run(promtool, "check", "config", str(tmp_path / "prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"SUCCESS: \d{2,} rules found", checked.stdout), checked.stdout


def test_the_programs_that_are_built_have_the_images_releases() -> None:
    pinned = versions.load(stack.ROOT)
    # Prometheus 3.13 as a Go module is v0.313.
    minor, patch = re.fullmatch(r"v0\.3(\d\d)\.(\d+)", pinned["PROMETHEUS_VERSION"]).groups()  # type: ignore[union-attr]
    assert pinned["PROMETHEUS_IMAGE"] == f"prom/prometheus:v3.{minor}.{patch}"
    assert pinned["ALERTMANAGER_IMAGE"] == f"prom/alertmanager:{pinned['ALERTMANAGER_VERSION']}"


def test_amtool_accepts_the_mounted_alertmanager_files(tmp_path: Path) -> None:
    amtool = require("amtool")
    mounted("alertmanager", tmp_path, "/etc/alertmanager")
    checked = run(amtool, "check-config", str(tmp_path / "alertmanager.yml"), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 templates" in checked.stdout, checked.stdout


def test_alertmanager_differs_from_the_native_one_only_in_the_watchdogs_host_and_the_consoles_inbox() -> None:
    native = (stack.ROOT / "alerts" / "alertmanager.yml").read_text()
    here = (OBSERVABILITY / "compose" / "generated" / "alertmanager" / "alertmanager.yml").read_text()
    here_documents, native_document = yaml.safe_load(here), yaml.safe_load(native)
    consoles = [
        hook
        for receiver in here_documents["receivers"]
        for hook in receiver.get("webhook_configs", [])
        if hook["url"].startswith("http://console:8000/")
    ]
    assert len(consoles) == len(native_document["receivers"]) - 2, "every team's receivers, but not the discarding one"
    for receiver in here_documents["receivers"]:
        hooks = receiver.get("webhook_configs", [])
        receiver |= {"webhook_configs": [hook for hook in hooks if hook not in consoles]} if hooks else {}
    rehosted = native.replace("http://127.0.0.1:9095", "http://watchdog:9095")
    assert here_documents == yaml.safe_load(rehosted)
    assert rehosted != native


def test_jaeger_accepts_the_two_files_with_composes_environment(tmp_path: Path) -> None:
    jaeger = Locations(Paths(stack.ROOT, Path(DEFAULT_CACHE))).jaeger
    if not jaeger.is_file():
        pytest.skip("Jaeger has not been built here: make up")
    password = tmp_path / "password"
    password.write_text("secret")
    environment = {key: str(value) for key, value in stack.services()["jaeger"]["environment"].items()}
    environment["ELASTICSEARCH_PASSWORD_FILE"] = str(password)
    files = [
        f"--config={stack.ROOT / source}"
        for source, inside, _ in stack.mounts(stack.services()["jaeger"])
        if inside.startswith("/etc/jaeger/")
    ]
    assert [
        f"--config={inside}" for _, inside, _ in stack.mounts(stack.services()["jaeger"]) if "jaeger/" in inside
    ] == (stack.services()["jaeger"]["command"])
    checked = run(str(jaeger), "validate", *files, env=environment)
    assert checked.returncode == 0, checked.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text("receivers: {otlp: {protocols: {grpc: {no_such_key: 1}}}}")
    assert run(str(jaeger), "validate", *files, f"--config={broken}", env=environment).returncode != 0


def test_each_dockerfile_is_clean_by_hadolint() -> None:
    hadolint = require("hadolint")
    for path in ("services/Dockerfile", "observability/compose/toxiproxy/Dockerfile"):
        checked = run(hadolint, str(stack.ROOT / path))
        assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("path", ["services/Dockerfile", "observability/compose/toxiproxy/Dockerfile"])
def test_a_dockerfile_pins_its_bases_ends_without_root_and_leaves_out_the_builder(path: str) -> None:
    text = (stack.ROOT / path).read_text()
    bases = re.findall(r"^ARG \w+_IMAGE=(\S+)$", text, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[a-z-]+)?", base) for base in bases), bases
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    final = [stage for stage in stages if "AS build" not in stage and "-build" not in stage.splitlines()[0]]
    assert any("USER 10001:10001" in stage for stage in final)
    for stage in final:
        assert not re.search(r"pip install|apt-get|go build|/opt/uv", stage), stage.splitlines()[0]


def of_services(source: str) -> list[str]:
    """A source of the Dockerfile, expanded for each service that it is copied for."""
    of_assets = Path(source).name.startswith("package")
    names = [service.name for service in SERVICES.services.values() if service.assets or not of_assets]
    return list(dict.fromkeys(source.replace("${SERVICE}", name) for name in names))


def test_every_source_that_a_dockerfile_copies_is_in_the_build_context() -> None:
    ignored = (stack.ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored, "the context must start from nothing"
    for path in ("services/Dockerfile", "observability/compose/toxiproxy/Dockerfile"):
        for line in re.findall(r"^COPY (?!--from)(.+)$", (stack.ROOT / path).read_text(), re.MULTILINE):
            *sources, _ = [word for word in line.split() if not word.startswith("--")]
            for source in (each for name in sources for each in of_services(name)):
                assert (stack.ROOT / source).exists(), source
                assert any(source == entry or source.startswith(f"{entry}/") for entry in allowed), source


def test_filebeats_two_files_differ_in_the_output_only() -> None:
    full, light = (
        yaml.safe_load((OBSERVABILITY / "filebeat" / name).read_text())
        for name in ("filebeat.yml", "filebeat.light.yml")
    )
    outputs = {"output.logstash", "output.elasticsearch", "setup.template.enabled", "setup.ilm.enabled"}
    assert {key: full[key] for key in full.keys() - outputs} == {key: light[key] for key in light.keys() - outputs}
    assert light["output.elasticsearch"]["op_type"] == "create"


@pytest.mark.parametrize("name", ["filebeat.yml", "filebeat.light.yml"])
def test_filebeat_uses_the_fields_that_its_docker_provider_sets(name: str) -> None:
    # Hints see container, host, port and hints only; the containers' labels are below `docker` in documents.
    text = (OBSERVABILITY / "filebeat" / name).read_text()
    (defaults,) = (each["hints.default_config"] for each in yaml.safe_load(text)["filebeat.autodiscover"]["providers"])
    used = set(re.findall(r"\$\{data\.([\w.]+)\}", json.dumps(defaults)))
    assert used == {"container.id"}
    labels = set(re.findall(r"from: ([\w.]*labels[\w.]*)", text))
    assert labels == {f"docker.container.labels.platform_{each}" for each in ("service", "process")}


def test_logstash_stores_each_message_once() -> None:
    pipeline = (OBSERVABILITY / "logstash" / "pipeline" / "logs.conf").read_text()
    (removed,) = re.findall(r"remove_field => (\[.*?\]) }", pipeline)
    assert "[event][original]" in json.loads(removed), "the input's ECS mode adds a copy of each message"


def test_grafanas_alerting_evaluates_nothing_and_is_not_switched_off() -> None:
    # Releases have failed to start with it off: grafana/grafana#111160.
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(OBSERVABILITY / "grafana" / "grafana.ini")
    assert dict(settings["unified_alerting"]) == {"enabled": "true", "execute_alerts": "false"}


def test_kibana_has_a_view_of_each_data_stream() -> None:
    patterns = {
        json.loads(path.read_text())["index_patterns"][0]
        for path in (OBSERVABILITY / "elasticsearch" / "index-templates").glob("*.json")
    }
    assert patterns <= {each["attributes"]["title"] for each in kibana_objects() if each["type"] == "index-pattern"}


def test_logs_are_written_to_the_data_stream_of_the_shared_template() -> None:
    pattern = json.loads((OBSERVABILITY / "elasticsearch/index-templates/logs-django.json").read_text())[
        "index_patterns"
    ]
    assert pattern == ["logs-django-*"]
    pipeline = (OBSERVABILITY / "logstash" / "pipeline" / "logs.conf").read_text()
    assert 'index => "logs-django-default"' in pipeline
    assert 'document_id => "%{[event][id]}"' in pipeline
    assert "grok" not in pipeline
    assert "json {" not in pipeline


@pytest.mark.parametrize("name", [search_setup.LOGS, search_setup.ERRORS])
def test_the_index_templates_are_the_native_ones_each_with_a_lifecycle(name: str) -> None:
    made = search_setup.index_templates(OBSERVABILITY / "elasticsearch" / "index-templates")
    native = json.loads((OBSERVABILITY / "elasticsearch" / "index-templates" / f"{name}.json").read_text())
    assert made[name]["template"]["settings"].pop("index.lifecycle.name") == name
    assert made[name] == native


def test_each_search_user_has_roles_that_exist_and_none_is_a_superuser() -> None:
    granted = {role for names in USERS.values() for role in names}
    assert granted == set(roles())
    for name, role in roles().items():
        privileges = {privilege for entry in role["indices"] for privilege in entry["privileges"]}
        assert "all" not in privileges | set(role["cluster"]), name
    shipper = roles()["platform_shipper"]["indices"][0]["privileges"]
    assert {"read", "write", "delete", "index"}.isdisjoint(shipper), "the shipper adds lines and reads none"


def kibana_objects() -> list[dict[str, Any]]:
    text = (OBSERVABILITY / "kibana" / "platform.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_kibanas_objects_refer_to_each_other() -> None:
    there = {(each["type"], each["id"]) for each in kibana_objects()}
    for each in kibana_objects():
        referred = {reference["name"]: (reference["type"], reference["id"]) for reference in each["references"]}
        assert set(referred.values()) <= there, each["id"]
        panels = json.loads(each["attributes"].get("panelsJSON", "[]"))
        named = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels if "panelRefName" in panel}
        assert named == {name for name in referred if name.startswith(tuple("123456789"))}
    assert {kind for kind, _ in there} == {"index-pattern", "search", "visualization", "dashboard"}


def test_kibanas_searches_use_fields_of_the_index_template() -> None:
    templates = [json.loads(path.read_text()) for path in (OBSERVABILITY / "elasticsearch/index-templates").glob("*")]
    of = {
        template["index_patterns"][0]: set(_fields(template["template"]["mappings"]["properties"]))
        for template in templates
    }
    for each in kibana_objects():
        # A data view has a pattern; everything else here is about log lines.
        pattern = each["attributes"]["title"] if each["type"] == "index-pattern" else "logs-django-*"
        fields = of.get(pattern, set())
        used = set(each["attributes"].get("columns", []))
        used |= set(json.loads(each["attributes"].get("fieldFormatMap", "{}")))
        if "visState" in each["attributes"]:
            used |= {
                agg["params"]["field"] for agg in json.loads(each["attributes"]["visState"])["aggs"] if agg["params"]
            }
        search = json.loads(each["attributes"].get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
        used |= set(re.findall(r"([a-z_.]+)\s*(?::|>=)", search.get("query", {}).get("query", "")))
        assert used <= fields, f"{each['id']}: {sorted(used - fields)} are no fields"


def _fields(properties: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, mapping in properties.items():
        found += _fields(mapping["properties"], f"{prefix}{name}.") if "properties" in mapping else [prefix + name]
    return found


def test_each_reader_gets_only_its_own_secrets_and_the_same_ones_every_time(tmp_path: Path) -> None:
    written = secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    volumes = {
        source.removeprefix("secrets-") for source in stack.document()["volumes"] if source.startswith("secrets-")
    }
    assert set(written) == volumes
    before = _contents(tmp_path / "readers")
    secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    assert _contents(tmp_path / "readers") == before, "a second run made new secrets"
    store = SecretStore(tmp_path / "store")
    for name, text in before.items():
        reader = name.partition("/")[0]
        for service in SERVICES.services:
            if service != reader:
                assert store.get(f"postgres_{service}") not in text, f"{name} has the database password of {service}"
        if reader != "elasticsearch":
            assert store.get(secret_name("elastic")) not in text, f"{name} has the superuser's password"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "readers").rglob("*") if path.is_file()}
    assert modes == {0o400}


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


class ReadOnlyStore(SecretStore):
    """Read-only, as the set-up jobs mount it."""

    def _write(self, path: Path, value: str) -> None:
        raise AssertionError(f"the job `secrets` makes no {path.name}, and this one may not")


@pytest.mark.parametrize("job", ["postgres", "elasticsearch", "kibana", "passwords"])
def test_a_set_up_job_finds_every_secret_that_it_reads(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    for name, source in (("TEMPLATES", "elasticsearch/index-templates"), ("OBJECTS", "kibana/platform.ndjson")):
        monkeypatch.setattr(commands, name, OBSERVABILITY / source)
    monkeypatch.setattr(commands, "STORE", tmp_path / "store")
    monkeypatch.setattr(commands, "SecretStore", ReadOnlyStore)
    # Servers that accept every request.
    monkeypatch.setattr(psycopg, "connect", MagicMock())
    for module in (search_setup, kibana_setup):
        monkeypatch.setattr(module, "Api", MagicMock())
    for variable in ("ELASTICSEARCH_URL", "KIBANA_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert commands.main([job]) == 0


def test_passwords_shows_the_first_users_password_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    monkeypatch.setattr(commands, "STORE", tmp_path / "store")
    monkeypatch.setattr(commands, "SecretStore", ReadOnlyStore)
    assert commands.main(["passwords"]) == 0
    shown = capsys.readouterr().out.splitlines()
    for service in (each for each in SERVICES.services.values() if each.first_user):
        command = stack.services()[f"{service.name}-first-user"]["command"]
        file = Path(command[command.index("--password-file") + 1]).relative_to(secrets.MOUNT)
        password = (tmp_path / "readers" / service.name / file).read_text()
        assert [line.split()[:3] for line in shown if line.startswith(service.title)] == [
            [service.title, "admin", password]
        ]


def test_a_job_with_wrong_settings_stops_with_all_their_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    monkeypatch.setenv("LOGS_RETENTION_DAYS", "0")
    assert commands.main(["elasticsearch"]) == 2
    shown = capsys.readouterr().err
    assert "ELASTICSEARCH_URL: allowed is http(s)://host[:port][/path] (environment variable not set)" in shown
    assert "LOGS_RETENTION_DAYS: allowed is a whole number from 1 to 365" in shown


def test_the_entry_point_passes_the_secrets_on_unchanged(tmp_path: Path) -> None:
    secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    file = tmp_path / "readers" / "orders" / "environment"
    environment = {"SECRETS_FILE": str(file), "PATH": os.environ["PATH"]}
    seen = run("sh", str(OBSERVABILITY / "compose" / "entrypoint"), "env", env=environment).stdout.splitlines()
    lines = [line for line in file.read_text().splitlines() if not line.startswith("SENTRY_DSN=")]
    for line in lines:
        name, _, value = line.partition("=")
        assert f"{name}={value.strip(chr(39))}" in seen
    (dsn,) = (line for line in seen if line.startswith("SENTRY_DSN="))
    assert dsn == f"SENTRY_DSN=http://{SecretStore(tmp_path / 'store').get(ERRORS_KEY)}@error-receiver:9097/1"
    assert any(line.startswith("DATABASE_URL=postgres://orders:") and "@postgres:5432/orders" in line for line in seen)
    assert any(line.startswith("RABBITMQ_URL=amqp://orders:") and "@rabbitmq:5672/platform" in line for line in seen)


def test_a_value_that_a_shell_would_interpret_is_refused() -> None:
    with pytest.raises(ValueError, match="EVIL has a quote"):
        secrets.environment_file({"EVIL": "x'; touch /tmp/y; '"})
    with pytest.raises(ValueError, match="EVIL has other characters"):
        secrets.environment_file({}, {"EVIL": "$(touch /tmp/y)"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://key@error-receiver:9097/1"),
        ({"SENTRY_DSN": ""}, "http://key@error-receiver:9097/1"),
        ({"SENTRY_DSN": "https://other@sentry.example/2"}, "https://other@sentry.example/2"),
    ],
)
def test_services_report_to_the_receiver_unless_they_are_given_a_sentry(
    tmp_path: Path, given: dict[str, str], expected: str
) -> None:
    file = tmp_path / "environment"
    file.write_text(secrets.environment_file({"A": "b"}, {"SENTRY_DSN": "http://key@error-receiver:9097/1"}))
    entrypoint = stack.ROOT / "observability" / "compose" / "entrypoint"
    environment = {"PATH": os.environ["PATH"], "SECRETS_FILE": str(file), **given}
    done = subprocess.run(
        ["sh", entrypoint, "printenv", "SENTRY_DSN"], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == expected
