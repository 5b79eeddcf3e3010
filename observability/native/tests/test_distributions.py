"""The table of distributions, and the checks against it before anything is installed or built."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from platformctl.errors import InstallError, PlatformError
from platformctl.install import debian, distributions
from platformctl.install.debian import DebianPackages
from platformctl.install.distributions import Distribution
from platformctl.install.plan import Installation
from platformctl.install.steps import Shell, Step
from platformctl.paths import Paths, repository_root
from platformctl.run import database
from rich.console import Console

KNOWN = distributions.load(repository_root())


@pytest.fixture
def debian_13() -> Distribution:
    return KNOWN["trixie"]


@pytest.mark.parametrize("distribution", KNOWN.values(), ids=lambda each: each.name)
def test_every_package_that_the_platform_configures_has_a_series(distribution: Distribution) -> None:
    installed = {package.name for package in debian.packages(distribution)}
    # rsyslog's module has the version of rsyslog, and nothing depends on the version of unzip.
    assert installed - set(distribution.series) == {"rsyslog-elasticsearch", "unzip"}


def test_every_distribution_has_the_same_packages() -> None:
    def names(distribution: Distribution) -> set[str]:
        return {re.sub(r"-\d+$", "", name) for name in distribution.series}

    assert len({frozenset(names(distribution)) for distribution in KNOWN.values()}) == 1


@pytest.mark.parametrize("distribution", KNOWN.values(), ids=lambda each: each.name)
def test_the_series_of_postgresql_is_that_of_its_package(distribution: Distribution) -> None:
    assert distribution.series[f"postgresql-{distribution.postgresql}"] == distribution.postgresql
    assert distribution.postgres_binaries.parts[-2] == distribution.postgresql


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, "Debian 12"),
        ({"ID": "debian", "VERSION_CODENAME": "trixie"}, "Debian 13"),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble", "UBUNTU_CODENAME": "noble"}, "Ubuntu 24.04"),
        ({"ID": "linuxmint", "VERSION_CODENAME": "wilma", "UBUNTU_CODENAME": "noble"}, "Ubuntu 24.04"),
        ({"ID": "linuxmint", "VERSION_CODENAME": "faye", "DEBIAN_CODENAME": "bookworm"}, "Debian 12"),
    ],
)
def test_a_release_is_recognised_by_its_archive(root: Path, release: Mapping[str, str], name: str) -> None:
    assert distributions.of_release(root, release).name == name


@pytest.mark.parametrize(
    "release", [{}, {"VERSION_CODENAME": "bullseye"}, {"ID": "fedora", "PRETTY_NAME": "Fedora 43"}]
)
def test_another_release_is_refused_with_the_alternative(root: Path, release: Mapping[str, str]) -> None:
    with pytest.raises(InstallError) as caught:
        distributions.of_release(root, release)
    assert "needs Debian 12 or Debian 13 or Ubuntu 24.04" in str(caught.value)
    assert release.get("PRETTY_NAME", "an unknown system") in str(caught.value)
    assert "docker compose up --build" in str(caught.value)


def test_nothing_is_installed_if_one_step_refuses_the_machine(tmp_path: Path) -> None:
    installed: list[str] = []

    class Build(Step):
        name = title = "build"
        typical_seconds = 600.0

        def is_done(self) -> bool:
            return False

        def install(self, shell: Shell) -> None:
            installed.append(self.name)

    class Refusing(Build):
        name = title = "refusing"

        def check(self, shell: Shell) -> None:
            raise InstallError("not on this machine")

    with pytest.raises(InstallError, match="not on this machine"):
        Installation([Build(), Refusing()], tmp_path, Console(quiet=True)).run()
    assert installed == []


Apt = Callable[..., None]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    """Replaces apt-get and dpkg-query; `apt-get` writes what it is asked to do to the file `asked`."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def put(*, offered: str = "", error: str = "", installed: Mapping[str, str] | None = None) -> None:
        (tmp_path / "offered").write_text(offered)
        (tmp_path / "error").write_text(error)
        for name, version in (installed or {}).items():
            (tmp_path / f"installed-{name}").write_text(f"installed {version}")
        scripts = {
            "apt-get": f"""echo "$*" >>{tmp_path}/asked
case "$*" in *--simulate*) cat {tmp_path}/offered; cat {tmp_path}/error >&2; test ! -s {tmp_path}/error;; esac""",
            "dpkg-query": f"""for last; do :; done; cat {tmp_path}/installed-$last""",
        }
        for name, text in scripts.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{programs}:/bin")
    return put


@pytest.fixture
def step(root: Path, tmp_path: Path, debian_13: Distribution) -> DebianPackages:
    """The step on a machine that has none of the packages: its server's folder doesn't exist."""
    return DebianPackages(Paths(root, tmp_path), replace(debian_13, postgresql="0"), tmp_path)


def check(step: DebianPackages, tmp_path: Path) -> str:
    step.check(Shell(tmp_path / "packages.log", threading.Event()))
    return (tmp_path / "asked").read_text()


def test_an_archive_of_the_right_series_is_accepted_and_nothing_is_installed(
    apt: Apt, step: DebianPackages, tmp_path: Path
) -> None:
    apt(
        offered="NOTE: This is only a simulation!\n"
        "Inst rabbitmq-server (4.0.5-6+deb13u2 Debian:13.4/stable [all])\n"
        "Inst rsyslog [8.2504.0-1] (8.2504.0-1+deb13u2 Debian:13.4/stable [amd64]) []\n"
        "Inst default-jre-headless (2:1.21-76 Debian:13.4/stable [amd64])\n"
        "Conf rabbitmq-server (9.9 Debian:13.4/stable [all])\n"
    )
    asked = check(step, tmp_path).splitlines()
    assert [line.split()[0] for line in asked] == ["update", "install"]
    assert "--simulate" in asked[1].split()


def test_an_archive_of_another_series_is_refused_with_every_difference_and_the_alternative(
    apt: Apt, step: DebianPackages, tmp_path: Path
) -> None:
    apt(
        offered="Inst rabbitmq-server (1:4.2.1-1 Vendor:1 [all])\nInst prometheus (3.5.0 Vendor:1 [amd64])\n"
        "Inst default-jre-headless (2:1.21-76 Debian:13.4/stable [amd64])\n"
    )
    with pytest.raises(InstallError) as caught:
        check(step, tmp_path)
    assert "rabbitmq-server 4.2.1-1: Debian 13 has 4.0" in caught.value.detail
    assert "prometheus 3.5.0: Debian 13 has 2.53" in caught.value.detail
    assert len(caught.value.detail) == 2
    assert "docker compose up --build" in caught.value.advice


def test_a_package_that_the_archive_lacks_is_named_with_the_alternative(
    apt: Apt, step: DebianPackages, tmp_path: Path
) -> None:
    apt(error="E: Unable to locate package postgresql-0\n")
    with pytest.raises(InstallError) as caught:
        check(step, tmp_path)
    assert caught.value.detail == ("E: Unable to locate package postgresql-0",)
    assert "Debian 13" in caught.value.message
    assert "docker compose up --build" in caught.value.advice


def test_an_installed_package_of_another_series_is_refused_before_apt_is_asked(
    apt: Apt, step: DebianPackages, tmp_path: Path
) -> None:
    apt(installed={"rabbitmq-server": "3.13.7-1"})
    assert not step.is_done()
    with pytest.raises(InstallError) as caught:
        check(step, tmp_path)
    assert caught.value.detail == ("rabbitmq-server 3.13.7-1: Debian 13 has 4.0",)
    assert not (tmp_path / "asked").exists()


def test_this_machines_apt_understands_what_it_is_asked(debian_13: Distribution) -> None:
    unpackaged = [debian.Package("unzip", "unzip")]
    planned = subprocess.run(
        debian._installation(unpackaged, "--simulate"), capture_output=True, text=True, check=False, env=os.environ
    )
    assert planned.returncode == 0, planned.stderr
    assert set(debian.offered_versions(planned.stdout)) <= {"unzip"}


@pytest.mark.parametrize(("found", "accepted"), [("17", True), (None, True), ("15", False)])
def test_data_of_another_postgresql_is_refused(
    tmp_path: Path, debian_13: Distribution, found: str | None, accepted: bool
) -> None:
    if found is not None:
        (tmp_path / "PG_VERSION").write_text(f"{found}\n")
    if accepted:
        database.check_version(tmp_path, debian_13)
        return
    with pytest.raises(PlatformError, match="is that of PostgreSQL 15, and Debian 13 has 17"):
        database.check_version(tmp_path, debian_13)
