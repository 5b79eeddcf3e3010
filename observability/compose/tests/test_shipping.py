"""Filebeat's health check: it fails while containers write lines and none is shipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from platform_testing.http import StubServer
from werkzeug import Request, Response

from tests import stack
from tests.filebeat import Container

SCRIPT = stack.ROOT / "observability" / "compose" / "shipping"
SHIPPED = {"co.elastic.logs/enabled": "true", "platform_service": "shop"}
# Seconds of a file system's clock.
EARLIER, PROGRESS, LATER = 1_000, 2_000, 3_000


@dataclass
class Shipper:
    """Filebeat's figures, and the folder of Docker's containers."""

    folder: Path
    figures: str = '{"libbeat":{"output":{"events":{"acked":%d,"active":0}},"pipeline":{"events":{"acked":7}}}}'
    acknowledged: int = 0

    def answer(self, _request: Request) -> Response:
        return Response(self.figures % self.acknowledged if "%d" in self.figures else self.figures)

    def container(self, labels: dict[str, str] = SHIPPED) -> Container:
        return Container(self.folder / "containers", "shop-1", labels)

    def check(self, port: int) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(SCRIPT), str(port), str(self.folder / "containers")]
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(self.folder)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    (tmp_path / "containers").mkdir()
    return Shipper(tmp_path)


@pytest.fixture
def port(shipper: Shipper) -> Iterator[int]:
    with StubServer(shipper.answer) as server:
        yield server.port


def written_at(container: Container, when: int) -> None:
    os.utime(container.log, (when, when))


def progressed(shipper: Shipper) -> None:
    os.utime(shipper.folder / "shipped", (PROGRESS, PROGRESS))


def test_lines_that_are_written_and_not_shipped_fail_it(shipper: Shipper, port: int) -> None:
    container = shipper.container()
    assert shipper.check(port).returncode == 0, "the first check only remembers the count"
    progressed(shipper)
    written_at(container, LATER)
    failed = shipper.check(port)
    assert failed.returncode == 1
    assert container.id in failed.stdout
    # One more line is shipped.
    shipper.acknowledged = 1
    assert shipper.check(port).returncode == 0


def test_silence_is_healthy(shipper: Shipper, port: int) -> None:
    container = shipper.container()
    assert shipper.check(port).returncode == 0
    progressed(shipper)
    written_at(container, EARLIER)
    assert shipper.check(port).returncode == 0


@pytest.mark.parametrize("labels", [{}, {"co.elastic.logs/enabled": "false"}, {"platform_service": "shop"}])
def test_containers_whose_lines_are_not_wanted_do_not_count(
    shipper: Shipper, port: int, labels: dict[str, str]
) -> None:
    written_at(shipper.container(labels), LATER)
    assert shipper.check(port).returncode == 0
    progressed(shipper)
    assert shipper.check(port).returncode == 0


@pytest.mark.parametrize("figures", ["", "{}", '{"libbeat":{"output":{"events":{"acked":null}}}}'])
def test_an_answer_without_figures_fails_it(shipper: Shipper, port: int, figures: str) -> None:
    shipper.figures = figures
    assert shipper.check(port).returncode == 1


def test_no_answer_fails_it(shipper: Shipper) -> None:
    assert shipper.check(1).returncode != 0


def test_filebeats_container_uses_it() -> None:
    service = stack.services()["filebeat"]
    command, path, port = service["healthcheck"]["test"][1:]
    assert (command, port) == ("sh", "5066")
    assert {target: stack.ROOT / source for source, target, _ in stack.mounts(service)}[path] == SCRIPT
