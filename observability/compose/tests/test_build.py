"""services/Dockerfile carried out without Docker: same commands, same user, same lock; what comes out is started."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from contracts import catalogue
from platform_compose import secrets

from tests import stack
from tests.dockerfile import Builder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="the build runs as another user, which only root can do"),
]
USER = 10001


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the image's user may reach into, which pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="image-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def system_python(folder: Path) -> Path:
    """The image's `python`: one of 3.11 that every user may run."""
    found = next((p for p in ("/usr/local/bin/python3.11", "/usr/bin/python3.11") if Path(p).exists()), None)
    if found is None:
        pytest.skip("no Python 3.11 that other users may run")
    link = folder / "python" / "python"
    link.parent.mkdir()
    link.symlink_to(found)
    return link


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_image_of_a_service_builds_and_what_comes_out_serves(folder: Path) -> None:
    arguments = {"SERVICE": "inventory", "VERSION": "1.2.3"}
    dockerfile = stack.ROOT / "services" / "Dockerfile"
    builder = Builder(dockerfile, stack.ROOT, folder, arguments, system_python(folder))
    stage = builder.build("service")
    assert stage.user == str(USER)
    assert not list(builder.path("/app/services").rglob("tests")), "tests are in the image"
    assert not (builder.path("/opt/venv") / "bin" / "uv").exists()
    installed = {
        path.name.partition("-")[0].lower()
        for path in builder.path("/opt/venv").glob("lib/*/site-packages/*.dist-info")
    }
    assert {"django", "gunicorn", "psycopg"} <= installed
    assert {"pytest", "ruff", "mypy", "locust", "contracts", "django_telemetry"}.isdisjoint(installed)

    secrets.write(folder / "store", folder / "readers", catalogue.load(), own=False)
    own = folder / "readers" / "inventory" / "environment"
    # Nobody listens there: refused at once.
    own.write_text(own.read_text().replace("@postgres:5432/", "@127.0.0.1:9/"))
    for path in (folder / "readers" / "inventory", *(folder / "readers" / "inventory").iterdir()):
        os.chown(path, USER, USER)
    port, metrics = free_port(), free_port()
    given = {key: str(value) for key, value in stack.services()["inventory"]["environment"].items()}
    given |= {"ENVIRONMENT": "production", "HTTP_PORT": str(port), "TELEMETRY_METRICS_PORT": str(metrics)}
    given |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SERVICE_VERSION": "1.2.3"}
    # As docker-compose.yml puts SERVICE_VERSION into it.
    given["OTEL_RESOURCE_ATTRIBUTES"] = given["OTEL_RESOURCE_ATTRIBUTES"].replace("version=dev", "version=1.2.3")
    given["SECRETS_FILE"] = str(own)
    log = folder / "log"
    entrypoint = str(folder / "usr" / "local" / "bin" / "entrypoint")
    command = [
        "setpriv",
        f"--reuid={USER}",
        f"--regid={USER}",
        "--clear-groups",
        "--bounding-set=-all",
        "--no-new-privs",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, entrypoint, *stage.command],
            cwd=builder.path(stage.workdir),
            env={key: value for key, value in builder.environment(stage).items() if key in stage.environment} | given,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = get(f"http://127.0.0.1:{port}/livez")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        assert answer[0] == 200, answer
        # There is no database.
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 503
        assert "django_http_requests_total_by_method_total" in get(f"http://127.0.0.1:{metrics}/metrics")[1]
    finally:
        process.terminate()
        process.wait(timeout=40)
    documents = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    versions = {document.get("service.version") or document.get("service", {}).get("version") for document in documents}
    assert versions == {"1.2.3"}, log.read_text()[:2000]


def test_the_image_of_the_tools_builds_and_its_programs_start(folder: Path) -> None:
    dockerfile = stack.ROOT / "services" / "Dockerfile"
    builder = Builder(dockerfile, stack.ROOT, folder, {}, system_python(folder))
    stage = builder.build("tools")
    environment = {key: value for key, value in builder.environment(stage).items() if key in stage.environment}
    modules = (
        "watchdog.server",
        "log_pipeline.__main__",
        "load.traffic",
        "platformctl.retention",
        "jaeger_dependencies.job",
        "load.drills.__main__",
        "load.drills.compose",
    )
    for module in (*modules, "platform_compose.__main__"):
        done = subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "python", "-c", f"import {module}"],
            cwd=builder.path(stage.workdir),
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{module}: {done.stderr}"
