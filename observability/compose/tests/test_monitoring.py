"""Prometheus and Alertmanager of the images' releases, built from source, with the files that the containers mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from platform_testing.polling import eventually
from platform_testing.ports import free_port

from tests import stack
from tests.test_files import mounted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(stack.go_tool(tool).is_dir() for tool in ("prometheus", "alertmanager")),
        reason="not built here: python -m platformctl.dev.tools prometheus alertmanager",
    ),
]


@contextmanager
def running(container: str, folder: Path, prefix: str, replaced: dict[str, str]) -> Iterator[str]:
    """The container's program with its own arguments, except those for addresses and folders. Yields its URL."""
    mounted(container, folder, prefix)
    port = free_port()
    own = [
        argument for argument in stack.services()[container]["command"] if argument.partition("=")[0] not in replaced
    ]
    arguments = [f"{name}={value}" for name, value in replaced.items()]
    command = [str(stack.go_tool(container) / container), *own, *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    log = folder / "output.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(f"{url}/-/ready"), f"{container} to be ready", timeout=60, look_at=str(log))
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == requests.codes.ok
    except requests.ConnectionError:
        return False


def test_prometheus_of_the_image_loads_every_rule_and_scrape_job(tmp_path: Path) -> None:
    replaced = {
        "--config.file": str(tmp_path / "prometheus.yml"),
        "--storage.tsdb.path": str(tmp_path / "data"),
    }
    with running("prometheus", tmp_path, "/etc/prometheus", replaced) as url:
        answer = requests.get(f"{url}/api/v1/rules", timeout=15).json()
        loaded = [rule["name"] for group in answer["data"]["groups"] for rule in group["rules"]]
        files = [yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "rules").glob("*.yml"))]
        written = [
            rule.get("alert") or rule["record"]
            for document in files
            for group in document["groups"]
            for rule in group["rules"]
        ]
        assert sorted(loaded) == sorted(written)
        eventually(
            lambda: _unhealthy(url),
            "every rule to be evaluated without an error",
            accept=lambda unhealthy: unhealthy == [],
            timeout=90,
            look_at=f"{url}/api/v1/rules",
        )
        pools = requests.get(f"{url}/api/v1/scrape_pools", timeout=15).json()["data"]["scrapePools"]
        configured = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
        assert sorted(pools) == sorted(job["job_name"] for job in configured)


def _unhealthy(url: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{url}/api/v1/rules", timeout=15).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    return [rule for rule in rules if rule["health"] != "ok"]


def test_alertmanager_of_the_image_inhibits_by_the_mounted_file(tmp_path: Path) -> None:
    replaced = {
        "--config.file": str(tmp_path / "alertmanager.yml"),
        "--storage.path": str(tmp_path / "data"),
    }
    labels = {"layer": "cause", "severity": "page", "team": "checkout"}
    cause = {**labels, "alertname": "ServiceDown", "service": "payments", "root_service": "payments"}
    echo = {
        **labels,
        "alertname": "EdgeRefused",
        "service": "orders",
        "dependency": "payments",
        "root_service": "payments",
    }
    with running("alertmanager", tmp_path, "/etc/alertmanager", replaced) as url:
        given = [{"labels": alert} for alert in (cause, echo)]
        requests.post(f"{url}/api/v2/alerts", json=given, timeout=15).raise_for_status()
        eventually(
            lambda: _states(url),
            "the echo to be suppressed by its cause",
            accept=lambda states: states == {"ServiceDown": "active", "EdgeRefused": "suppressed"},
            timeout=60,
            look_at=f"{url}/api/v2/alerts",
        )


def _states(url: str) -> dict[str, str]:
    alerts = requests.get(f"{url}/api/v2/alerts", timeout=15).json()
    return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in alerts}
