"""services/Dockerfile executed without Docker: same commands, same user, same lock; the result is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import catalogue
import pytest
from platform_compose import secrets
from platform_testing.ports import free_port

from tests import stack
from tests.dockerfile import Builder, Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="the build runs as another user, which only root can do"),
]
USER = 10001


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the image's user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="image-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def checkout(folder: Path) -> Path:
    """This repository as a checkout with umask 077: every file is its owner's only."""
    target = folder / "checkout"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=stack.ROOT, capture_output=True, check=True, timeout=60)
    for name in names.stdout.decode().split("\0"):
        source = stack.ROOT / name
        if name and source.is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
            copy.chmod(copy.stat().st_mode & 0o700)
    for path in (target, *(path for path in target.rglob("*") if path.is_dir())):
        path.chmod(0o700)
    return target


def system_python(folder: Path) -> Path:
    """The image's `python`: a 3.11 that every user can run."""
    found = next((p for p in ("/usr/local/bin/python3.11", "/usr/bin/python3.11") if Path(p).exists()), None)
    if found is None:
        pytest.skip("no Python 3.11 that other users may run")
    link = folder / "python" / "python"
    link.parent.mkdir()
    link.symlink_to(found)
    return link


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# Target of services/Dockerfile, service, packages that it must contain, files that its pages load.
SERVING = [
    ("service", "inventory", {"django", "gunicorn", "psycopg"}, ()),
    (
        "service-with-assets",
        "console",
        {"django", "gunicorn", "whitenoise"},
        (
            "/static/vendor/echarts/dist/echarts.min.js",
            "/static/vendor/htmx.org/dist/htmx.min.js",
            "/static/shell/icon.svg",
        ),
    ),
]


@pytest.mark.parametrize(("target", "service", "packages", "files"), SERVING, ids=[each[1] for each in SERVING])
def test_the_image_of_a_service_builds_and_the_result_serves(
    folder: Path, checkout: Path, target: str, service: str, packages: set[str], files: tuple[str, ...]
) -> None:
    if target == "service-with-assets" and shutil.which("npm") is None:
        pytest.skip("no npm here, which the image's Node has")
    arguments = {"SERVICE": service, "VERSION": "1.2.3"}
    builder = Builder(checkout / "services" / "Dockerfile", checkout, folder, arguments, system_python(folder))
    stage = builder.build(target)
    assert stage.user == str(USER)
    unwanted = {path.name for path in builder.path("/app/services").rglob("*")} & {"tests", "docs", "node_modules"}
    assert not unwanted, f"{unwanted} are in the image: see .dockerignore"
    assert not (builder.path("/opt/venv") / "bin" / "uv").exists()
    installed = {
        path.name.partition("-")[0].lower()
        for path in builder.path("/opt/venv").glob("lib/*/site-packages/*.dist-info")
    }
    assert packages <= installed
    assert {"pytest", "ruff", "mypy", "locust", "contracts", "django_telemetry"}.isdisjoint(installed)
    with running(builder, stage, service, folder) as (page, metrics):
        assert get(f"{page}/livez")[0] == 200
        # There is no database.
        assert get(f"{page}/readyz")[0] == 503
        assert {path: get(f"{page}{path}")[0] for path in files} == dict.fromkeys(files, 200)
        assert "django_http_requests_total_by_method_total" in get(f"{metrics}/metrics")[1]
    lines = (folder / "log").read_text()
    documents = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    versions = {document.get("service.version") or document.get("service", {}).get("version") for document in documents}
    assert versions == {"1.2.3"}, lines[:2000]


@contextmanager
def running(builder: Builder, stage: Stage, service: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Start the stage as its container does: in production mode, without capabilities. Yields two addresses."""
    secrets.write(folder / "store", folder / "readers", catalogue.load(), own=False)
    own = folder / "readers" / service / "environment"
    # Nothing listens there, so connections are refused at once.
    own.write_text(own.read_text().replace("@postgres:5432/", "@127.0.0.1:9/"))
    for path in (own.parent, *own.parent.iterdir()):
        os.chown(path, USER, USER)
    port, metrics = free_port(), free_port()
    given = {key: str(value) for key, value in stack.services()[service]["environment"].items()}
    given |= {"ENVIRONMENT": "production", "HTTP_PORT": str(port), "TELEMETRY_METRICS_PORT": str(metrics)}
    given |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SERVICE_VERSION": "1.2.3"}
    # SERVICE_VERSION is set as in docker-compose.yml.
    given["OTEL_RESOURCE_ATTRIBUTES"] = given["OTEL_RESOURCE_ATTRIBUTES"].replace("version=dev", "version=1.2.3")
    given["SECRETS_FILE"] = str(own)
    # Mounted files by their path here; the image's own folders by their path in the build.
    mounted = {inside: str(stack.ROOT / source) for source, inside, _ in stack.mounts(stack.services()[service])}
    given = {key: mounted.get(value, builder.translate(value)) for key, value in given.items()}
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
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}"
    finally:
        process.terminate()
        process.wait(timeout=40)


def answers(port: int) -> bool:
    try:
        get(f"http://127.0.0.1:{port}/livez")
    except OSError:
        return False
    return True


def test_the_image_of_the_tools_builds_and_its_programs_start(folder: Path, checkout: Path) -> None:
    builder = Builder(checkout / "services" / "Dockerfile", checkout, folder, {}, system_python(folder))
    stage = builder.build("tools")
    environment = {key: value for key, value in builder.environment(stage).items() if key in stage.environment}
    modules = (
        "platform_watchdog.server",
        "log_pipeline.__main__",
        "platform_errors.__main__",
        "load.traffic",
        "platform_retention.__main__",
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
