"""The bootstrap script: on an unsupported machine it stops and names the alternative."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def bootstrap(root: Path, tmp_path: Path, *, uid: int, release: str) -> subprocess.CompletedProcess[str]:
    """Run `bootstrap up` on a machine with that user id and release."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "id").write_text(f"#!/bin/sh\necho {uid}\n")
    (programs / "id").chmod(0o755)
    (tmp_path / "os-release").write_text(release)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "OS_RELEASE_FILE": str(tmp_path / "os-release"),
    }
    return subprocess.run(
        [root / "observability" / "native" / "bootstrap", "up"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_root_it_stops_and_points_to_docker_compose(root: Path, tmp_path: Path) -> None:
    run = bootstrap(root, tmp_path, uid=1000, release="ID=debian\n")
    assert run.returncode == 1
    assert "needs root" in run.stderr
    assert "docker compose up" in run.stderr


@pytest.mark.parametrize("release", ['ID=fedora\nID_LIKE="rhel"\n', "ID=alpine\n", "NAME=nothing\n"])
def test_on_another_distribution_it_stops_and_points_to_docker_compose(
    root: Path, tmp_path: Path, release: str
) -> None:
    run = bootstrap(root, tmp_path, uid=0, release=release)
    assert run.returncode == 1
    assert "needs Debian or Ubuntu" in run.stderr
    assert "docker compose up" in run.stderr


def test_a_derivative_of_debian_passes_the_distribution_check(root: Path, tmp_path: Path) -> None:
    run = bootstrap(root, tmp_path, uid=1000, release="ID=linuxmint\nID_LIKE='ubuntu debian'\n")
    assert "needs root" in run.stderr
