"""Installs packages of Debian or Ubuntu without starting a daemon or changing a running one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platformctl.errors import InstallError
from platformctl.install import versions
from platformctl.install.distributions import DOCKER, Distribution
from platformctl.install.steps import LINES_SHOWN, Shell, Step
from platformctl.paths import Paths

MARK = "# django-observability: no daemon starts while its packages are installed"
POLICY = f"#!/bin/sh\n{MARK}\nexit 101\n"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
LOCK = ("-o", "DPkg::Lock::Timeout=300")
CLUSTER_CONFIGURATION = f"{MARK}\ncreate_main_cluster = false\n"


@dataclass(frozen=True)
class Package:
    """A package, a program that proves it is installed, and the units that it brings."""

    name: str
    program: str
    units: tuple[str, ...] = ()


def packages(distribution: Distribution) -> list[Package]:
    """The packages that every machine needs."""
    return [
        Package(
            f"postgresql-{distribution.postgresql}",
            str(distribution.postgres_binaries / "postgres"),
            ("postgresql.service",),
        ),
        Package("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server", ("rabbitmq-server.service",)),
        Package("prometheus", "prometheus", ("prometheus.service",)),
        Package("prometheus-alertmanager", "prometheus-alertmanager", ("prometheus-alertmanager.service",)),
        Package(
            "prometheus-postgres-exporter",
            "prometheus-postgres-exporter",
            ("prometheus-postgres-exporter.service",),
        ),
        Package("rsyslog", "rsyslogd", ("rsyslog.service",)),
        Package("rsyslog-elasticsearch", "/usr/lib/*/rsyslog/omelasticsearch.so"),
        Package("unzip", "unzip"),
    ]


def tools(paths: Paths, distribution: Distribution) -> list[Package]:
    """Java, Maven, Node, npm and a browser for the tests: only those that are missing or too old."""
    pinned = versions.load(paths.root)
    wanted = []
    if not _is_recent(["java", "-version"], pinned["JAVA_MINIMUM"]):
        wanted.append(Package("default-jre-headless", "java"))
    if not _is_there("mvn"):
        wanted.append(Package("maven", "mvn"))
    if not _is_recent(["node", "--version"], pinned["NODE_MINIMUM"]):
        wanted.append(Package("nodejs", "node"))
    if not _is_there("npm"):
        wanted.append(Package("npm", "npm"))
    if distribution.browser and not _is_there(distribution.browser):
        wanted.append(Package(distribution.browser, distribution.browser))
    return wanted


class DebianPackages(Step):
    """Installs everything that comes from apt, in one transaction."""

    name = "packages"
    typical_seconds = 60

    def __init__(self, paths: Paths, distribution: Distribution, root: Path = Path("/")) -> None:
        self._paths = paths
        self._distribution = distribution
        self._root = root
        self.title = f"{distribution.name}'s packages"

    def is_done(self) -> bool:
        return not self._missing() and not self._wrong_series(self._installed())

    def check(self, shell: Shell) -> None:
        """Refuse installed packages of another series, and an archive that lacks a package or has another series."""
        self._refuse_wrong_series(self._installed(), "installed are packages of another series than those that fit")
        if missing := self._missing():
            shell.run(["apt-get", "update", *LOCK], environment=ENVIRONMENT)
            self._refuse_wrong_series(self._offered(missing), "this machine's archive has another series of packages")

    def install(self, shell: Shell) -> None:
        missing = self._missing()
        new_units = [unit for package in missing for unit in package.units if not _is_known(unit)]
        with no_daemons(self._root), no_main_cluster(self._root):
            shell.run(_installation(missing), environment=ENVIRONMENT)
        _disable(new_units)

    def _missing(self) -> list[Package]:
        wanted = (*packages(self._distribution), *tools(self._paths, self._distribution))
        return [package for package in wanted if not _is_there(package.program)]

    def _installed(self) -> dict[str, str]:
        """Package → version of those that every machine needs and this one has."""
        found = {package.name: installed_version(package.name) for package in packages(self._distribution)}
        return {name: version for name, version in found.items() if version is not None}

    def _offered(self, missing: Sequence[Package]) -> dict[str, str]:
        """Package → version of everything that apt would install. Raises InstallError if it couldn't."""
        planned = subprocess.run(
            _installation(missing, "--simulate"),
            env=os.environ | ENVIRONMENT | {"LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if planned.returncode != 0:
            raise InstallError(
                f"apt can't install what the platform needs on {self._distribution.name}",
                detail=planned.stderr.splitlines()[-LINES_SHOWN:],
                advice=f"correct /etc/apt/sources.list and sources.list.d, or without apt: {DOCKER}",
            )
        return offered_versions(planned.stdout)

    def _refuse_wrong_series(self, found: Mapping[str, str], message: str) -> None:
        if problems := self._wrong_series(found):
            advice = f"use the packages of {self._distribution.name} itself, or without them: {DOCKER}"
            raise InstallError(message, detail=problems, advice=advice)

    def _wrong_series(self, found: Mapping[str, str]) -> list[str]:
        return [
            f"{name} {found[name]}: {self._distribution.name} has {series}"
            for name, series in self._distribution.series.items()
            if name in found and not versions.is_of_series(found[name], series)
        ]


def _installation(wanted: Sequence[Package], *options: str) -> list[str]:
    # Without recommended packages (a graphical RabbitMQ client, mail servers); installed packages are not upgraded.
    usual = ["--yes", "--no-install-recommends", "--no-upgrade", *LOCK]
    return ["apt-get", "install", *usual, *options, *(package.name for package in wanted)]


def offered_versions(simulation: str) -> dict[str, str]:
    """Package → upstream version, from the output of `apt-get install --simulate`."""
    lines = re.findall(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", simulation, re.MULTILINE)
    return {name: _without_epoch(version) for name, version in lines}


def installed_version(package: str) -> str | None:
    """The upstream version of an installed package; None if dpkg doesn't have it."""
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package], capture_output=True, text=True, check=False
    )
    status, _, version = answer.stdout.partition(" ")
    return _without_epoch(version) if status == "installed" else None


def _without_epoch(version: str) -> str:
    return re.sub(r"^\d+:", "", version)


@contextmanager
def no_daemons(root: Path = Path("/")) -> Iterator[None]:
    """Prevent installed packages from starting daemons (policy-rc.d) inside the block. Restores the previous state.

    An existing policy that denies everything is used unchanged. A policy that a killed run of this function left behind
    is recognised by its mark and removed.
    """
    policy = root / "usr" / "sbin" / "policy-rc.d"
    saved = policy.with_name("policy-rc.d.before-django-observability")
    _restore(policy, saved)
    if policy.exists() and _denies(policy):
        yield
        return
    if policy.exists():
        policy.rename(saved)
    try:
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(POLICY)
        policy.chmod(0o755)
        yield
    finally:
        _restore(policy, saved)


@contextmanager
def no_main_cluster(root: Path = Path("/")) -> Iterator[None]:
    """Prevent PostgreSQL's package from creating the cluster `main` inside the block. Keeps the user's own files."""
    folder = root / "etc" / "postgresql-common" / "createcluster.d"
    drop_in = folder / "zz-django-observability.conf"
    folder.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(CLUSTER_CONFIGURATION)
    try:
        yield
    finally:
        drop_in.unlink(missing_ok=True)


def _restore(policy: Path, saved: Path) -> None:
    if policy.exists() and MARK in policy.read_text(errors="replace"):
        policy.unlink()
    if saved.exists():
        saved.rename(policy)


def _denies(policy: Path) -> bool:
    return subprocess.run([str(policy), "postgresql", "start"], capture_output=True, check=False).returncode == 101


def _is_known(unit: str) -> bool:
    return any((Path(folder) / unit).exists() for folder in ("/lib/systemd/system", "/etc/systemd/system"))


def _disable(units: Sequence[str]) -> None:
    """Keep newly installed units from starting at the next boot on the platform's ports."""
    systemctl = shutil.which("systemctl")
    if systemctl is not None and units:
        with suppress(OSError):
            subprocess.run([systemctl, "--no-reload", "disable", *units], capture_output=True, check=False)


def _is_there(program: str) -> bool:
    if "*" in program:
        return any(Path("/").glob(program.removeprefix("/")))
    return shutil.which(program) is not None


def _is_recent(command: list[str], minimum: str) -> bool:
    if not _is_there(command[0]):
        return False
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"(\d+)[\d.]*", answer.stdout + answer.stderr)
    return match is not None and int(match.group(1)) >= int(minimum)
