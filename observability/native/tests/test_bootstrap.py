"""The bootstrap script: on an unsupported machine it stops and names the alternative."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

DEBIAN_13 = "ID=debian\nVERSION_CODENAME=trixie\n"


def bootstrap(root: Path, tmp_path: Path, *, uid: int, release: str) -> subprocess.CompletedProcess[str]:
    """Run the script, with a harmless command, on a machine with that user id and release."""
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
        [root / "observability" / "native" / "bootstrap", "status"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_without_root_it_stops_and_points_to_docker_compose(root: Path, tmp_path: Path) -> None:
    run = bootstrap(root, tmp_path, uid=1000, release=DEBIAN_13)
    assert run.returncode == 1
    assert "needs root" in run.stderr
    assert "docker compose up" in run.stderr


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ('ID=fedora\nID_LIKE="rhel"\nPRETTY_NAME="Fedora Linux 43"\n', "Fedora Linux 43"),
        ("ID=alpine\nNAME=Alpine\n", "Alpine"),
        ("ID=debian\nVERSION_CODENAME=bullseye\nPRETTY_NAME='Debian GNU/Linux 11 (bullseye)'\n", "Debian GNU/Linux 11"),
        ("ID=debian\nVERSION_CODENAME=forky\nPRETTY_NAME='Debian GNU/Linux forky/sid'\n", "forky/sid"),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=jammy\nPRETTY_NAME='Ubuntu 22.04.5 LTS'\n", "Ubuntu 22.04.5 LTS"),
        ("ID=debian\nVERSION_CODENAME=trixie.series\n", "an unknown system"),
        ("ID=debian\nVERSION_CODENAME=.*\n", "an unknown system"),
        ("", "an unknown system"),
    ],
)
def test_on_another_distribution_it_stops_before_it_installs_anything_and_points_to_docker_compose(
    root: Path, tmp_path: Path, release: str, name: str
) -> None:
    run = bootstrap(root, tmp_path, uid=0, release=release)
    assert run.returncode == 1
    assert "needs Debian 12 or Debian 13 or Ubuntu 24.04; this is " in run.stderr
    assert name in run.stderr
    assert "docker compose up --build" in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize(
    "release",
    [
        DEBIAN_13,
        "ID=debian\nVERSION_CODENAME=bookworm\n",
        "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n",
        "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n",
        "ID=linuxmint\nID_LIKE=debian\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm\n",
    ],
)
def test_a_known_distribution_or_its_derivative_passes_the_check(root: Path, tmp_path: Path, release: str) -> None:
    assert "needs root" in bootstrap(root, tmp_path, uid=1000, release=release).stderr
