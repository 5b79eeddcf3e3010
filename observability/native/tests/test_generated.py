"""Generated files match the catalogue."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from catalogue import Catalogue
from platformctl.app import Platform
from platformctl.dev import generate


@pytest.fixture
def platform(root: Path) -> Platform:
    return Platform(root, environ={})


def test_committed_files_are_current(platform: Platform) -> None:
    assert generate.stale(platform) == [], "run `make generate`"


def test_an_edited_file_is_detected_and_regenerated(root: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "services" / "catalogue").mkdir(parents=True)
    (clone / "observability").mkdir()
    shutil.copy(root / "services" / "catalogue" / "catalogue.yaml", clone / "services" / "catalogue")
    shutil.copy(root / "observability" / "versions.env", clone / "observability")
    shutil.copy(root / "docker-compose.yml", clone)
    shutil.copytree(root / "observability" / "native" / "tools", clone / "observability" / "native" / "tools")
    shutil.copy(root / "services" / "README.md", clone / "services")
    for file in ("README.md", "distributions.toml"):
        shutil.copy(root / "observability" / "native" / file, clone / "observability" / "native")
    (clone / "services" / "console").mkdir()
    shutil.copy(root / "services" / "console" / "package-lock.json", clone / "services" / "console")
    copy = Platform(clone, environ={})
    generate.write(copy)
    assert generate.stale(copy) == []
    edited = clone / "observability" / "prometheus" / "targets" / "native" / "django.json"
    edited.write_text("[]")
    assert generate.stale(copy) == [edited.relative_to(clone)]
    assert generate.write(copy) == [edited.relative_to(clone)]
    assert generate.stale(copy) == []


def test_every_process_of_the_catalogue_is_scraped(root: Path, the_catalogue: Catalogue) -> None:
    file = root / "observability" / "prometheus" / "targets" / "native" / "django.json"
    groups = json.loads(file.read_text())
    scraped = {(g["labels"]["service"], g["labels"]["process"], *g["targets"]) for g in groups}
    assert scraped == {(p.service, p.name, f"127.0.0.1:{p.metrics_port}") for p in the_catalogue.processes()}


def test_every_proxied_edge_has_its_proxy(root: Path, the_catalogue: Catalogue) -> None:
    proxies = json.loads((root / "observability" / "toxiproxy" / "proxies.json").read_text())
    listening = {proxy["name"]: proxy["listen"] for proxy in proxies}
    assert listening == {edge.proxy_name: f"127.0.0.1:{edge.proxy_port}" for edge in the_catalogue.proxied_edges()}


def test_every_job_of_prometheus_reads_targets_that_exist(root: Path) -> None:
    prometheus = root / "observability" / "prometheus"
    configuration = yaml.safe_load((prometheus / "prometheus.yml").read_text())
    read = {
        Path(name).name
        for job in configuration["scrape_configs"]
        for discovery in job["file_sd_configs"]
        for name in discovery["files"]
    }
    assert read == {file.name for file in (prometheus / "targets" / "native").glob("*.json")}


def test_the_process_list_has_no_secret_and_no_path_of_this_machine(root: Path, platform: Platform) -> None:
    text = (root / "observability" / "native" / "process-compose.yaml").read_text()
    assert str(root) not in text
    folder = platform.paths.secrets
    secrets = [file.read_text() for file in folder.iterdir()] if folder.exists() else []
    assert [secret for secret in secrets if secret in text] == []
