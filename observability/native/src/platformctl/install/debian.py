"""Installs packages of Debian or Ubuntu without starting a daemon or changing a running one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platformctl.errors import InstallError
from platformctl.install import versions
from platformctl.install.steps import Shell, Step
from platformctl.paths import Paths

MARK = "# django-observability: no daemon starts while its packages are installed"
POLICY = f"#!/bin/sh\n{MARK}\nexit 101\n"
CLUSTER_CONFIGURATION = f"{MARK}\ncreate_main_cluster = false\n"


@dataclass(frozen=True)
class Package:
    """A package, the key of its version series in versions.env, and a program that proves it is installed."""

    name: str
    program: str
    series: str = ""
    units: tuple[str, ...] = ()


def packages(paths: Paths) -> list[Package]:
    """The packages that every machine needs."""
    postgres = versions.load(paths.root)["POSTGRES_VERSION"]
    return [
        Package(
            f"postgresql-{postgres}",
            f"/usr/lib/postgresql/{postgres}/bin/postgres",
            "POSTGRES_VERSION",
            ("postgresql.service",),
        ),
        Package(
            "rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server", "RABBITMQ_VERSION", ("rabbitmq-server.service",)
        ),
        Package("prometheus", "prometheus", "PROMETHEUS_VERSION", ("prometheus.service",)),
        Package(
            "prometheus-alertmanager",
            "prometheus-alertmanager",
            "ALERTMANAGER_VERSION",
            ("prometheus-alertmanager.service",),
        ),
        Package(
            "prometheus-postgres-exporter",
            "prometheus-postgres-exporter",
            "POSTGRES_EXPORTER_VERSION",
            ("prometheus-postgres-exporter.service",),
        ),
        Package("rsyslog", "rsyslogd", "RSYSLOG_VERSION", ("rsyslog.service",)),
        Package("rsyslog-elasticsearch", "/usr/lib/*/rsyslog/omelasticsearch.so"),
        Package("unzip", "unzip"),
    ]


def tools(paths: Paths) -> list[Package]:
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
    if not _is_there("chromium"):
        wanted.append(Package("chromium", "chromium"))
    return wanted


class DebianPackages(Step):
    """Installs everything that comes from apt, in one transaction."""

    name = "packages"
    title = "Debian packages"
    typical_seconds = 60

    def __init__(self, paths: Paths, root: Path = Path("/")) -> None:
        self._paths = paths
        self._root = root

    def is_done(self) -> bool:
        return not self._missing() and not self._wrong_series()

    def install(self, shell: Shell) -> None:
        missing = self._missing()
        environment = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
        # Without recommended packages (a graphical RabbitMQ client, mail servers); installed packages are not upgraded.
        options = ["--yes", "--no-install-recommends", "--no-upgrade", "-o", "DPkg::Lock::Timeout=300"]
        new_units = [unit for package in missing for unit in package.units if not _is_known(unit)]
        with no_daemons(self._root), no_main_cluster(self._root):
            shell.run(["apt-get", "update", "-o", "DPkg::Lock::Timeout=300"], environment=environment)
            names = [package.name for package in missing]
            shell.run(["apt-get", "install", *options, *names], environment=environment)
        _disable(new_units)
        if problems := self._wrong_series():
            raise InstallError(
                "the machine's archive has other versions than observability/versions.env",
                detail=problems,
                advice="use Debian 12, or docker compose",
            )

    def _missing(self) -> list[Package]:
        return [p for p in (*packages(self._paths), *tools(self._paths)) if not _is_there(p.program)]

    def _wrong_series(self) -> list[str]:
        pinned = versions.load(self._paths.root)
        problems = []
        for package in packages(self._paths):
            version = installed_version(package.name) if package.series else None
            if version is not None and not versions.is_of_series(version, pinned[package.series]):
                problems.append(f"{package.name} {version}, wanted is {pinned[package.series]}.x ({package.series})")
        return problems


def installed_version(package: str) -> str | None:
    """The upstream version of an installed package; None if dpkg doesn't have it."""
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package], capture_output=True, text=True, check=False
    )
    status, _, version = answer.stdout.partition(" ")
    return re.sub(r"^\d+:", "", version) if status == "installed" else None


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
