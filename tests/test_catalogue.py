"""Every service of the catalogue is in every list, and the files generated from the catalogue are current."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import catalogue
import pytest
import yaml
from platformctl.app import Platform
from platformctl.dev import generate
from platformctl.run.model import Group
from platformctl.settings import port_variable

from tests.support.expect import expect

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = catalogue.load()
PROCESSES = list(CATALOGUE.processes())
SERVICES = list(CATALOGUE.services.values())


def read(path: str) -> str:
    """A file of the repository; a missing one fails the test."""
    file = ROOT / path
    expect(file.exists(), path, "no such file", path)
    return file.read_text()


def missing_in(text: str, names: list[str]) -> list[str]:
    """The names that don't appear in the text as whole words."""
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def test_generated_files_are_current() -> None:
    stale = generate.stale(Platform())
    expect(not stale, "generated files that are current", [str(path) for path in stale], "make generate")


def test_the_grpc_stubs_are_current(tmp_path: Path) -> None:
    contracts = ROOT / "services" / "contracts"
    made = subprocess.run(
        ["bash", str(contracts / "generate.sh"), str(tmp_path)],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    expect(made.returncode == 0, "generate.sh succeeds", made.stderr, "services/contracts/generate.sh")
    generated = [path for path in tmp_path.rglob("*") if path.is_file()]
    expect(len(generated) == 3, "three generated files", generated, "services/contracts/generate.sh")
    for path in generated:
        committed = contracts / "src" / path.relative_to(tmp_path)
        expect(
            committed.read_text() == path.read_text(),
            f"{committed.relative_to(ROOT)} as generate.sh makes it",
            "a difference",
            "services/contracts/generate.sh",
        )


def test_every_process_is_run_natively() -> None:
    wanted = {process.name for process in PROCESSES} | {program.name for program in CATALOGUE.programs()}
    document = yaml.safe_load(read("observability/native/process-compose.yaml"))
    running = {
        name
        for name, process in document["processes"].items()
        if process["namespace"] == Group.SERVICE.value and process["availability"]["restart"] == "always"
    }
    expect(running == wanted, f"{sorted(wanted)}", sorted(running), "observability/native/process-compose.yaml")


def test_every_process_is_a_scrape_target() -> None:
    groups = json.loads(read("observability/prometheus/targets/native/django.json"))
    actual = {(group["labels"]["service"], group["labels"]["process"], group["targets"][0]) for group in groups}
    wanted = {(process.service, process.name, f"127.0.0.1:{process.metrics_port}") for process in PROCESSES}
    expect(actual == wanted, f"{sorted(wanted)}", sorted(actual), "observability/prometheus/targets/native/django.json")


def test_every_proxied_edge_is_a_toxiproxy_proxy() -> None:
    proxies = json.loads(read("observability/toxiproxy/proxies.json"))
    actual = {(proxy["name"], proxy["listen"]) for proxy in proxies}
    wanted = {(edge.proxy_name, f"127.0.0.1:{edge.proxy_port}") for edge in CATALOGUE.proxied_edges()}
    expect(actual == wanted, f"{sorted(wanted)}", sorted(actual), "observability/toxiproxy/proxies.json")


def test_every_port_can_be_set_in_the_env_file() -> None:
    text = read(".env.example")
    variables = [
        port_variable(process.name, use)
        for process in PROCESSES
        for use, port in (("", process.http_port or process.grpc_port), ("metrics", process.metrics_port))
        if port
    ]
    missing = missing_in(text, variables)
    expect(not missing, "every port variable", f"missing: {missing}", ".env.example")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_has_the_same_structure(service: catalogue.Service) -> None:
    folder = ROOT / "services" / service.name
    api = ["api/views.py", "api/urls.py"] if service.audience == "customers" else []
    parts = [
        "README.md",
        "pyproject.toml",
        "manage.py",
        *(f"config/{name}.py" for name in ("environment", "settings", "urls", "wsgi", "gunicorn")),
        *(f"{service.app}/{name}" for name in ("models.py", *api, "migrations/__init__.py")),
        "tests",
    ]
    missing = [part for part in parts if not (folder / part).exists()]
    expect(not missing, f"{parts} in services/{service.name}", f"missing: {missing}", f"services/{service.name}")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_service_imports_another(service: catalogue.Service) -> None:
    others = "|".join(other.app for other in SERVICES if other is not service)
    pattern = re.compile(rf"^\s*(?:from|import)\s+(?:{others})(?:\.|\s|$)", re.MULTILINE)
    folder = ROOT / "services" / service.name
    guilty = [str(path.relative_to(ROOT)) for path in folder.rglob("*.py") if pattern.search(path.read_text())]
    expect(not guilty, f"{service.name} imports no other service", guilty, f"services/{service.name}")


def test_every_process_has_a_container() -> None:
    missing = missing_in(read("docker-compose.yml"), [process.name for process in PROCESSES])
    expect(not missing, "every process in docker-compose.yml", f"missing: {missing}", "docker-compose.yml")


def test_every_process_is_in_the_alert_rules() -> None:
    text = "\n".join(file.read_text() for file in sorted((ROOT / "alerts" / "rules").glob("*.yml")))
    missing = missing_in(text, [process.name for process in PROCESSES])
    expect(not missing, "every process in a rule", f"missing: {missing}", "alerts/rules")
