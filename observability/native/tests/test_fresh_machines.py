"""`make up`, tests and `make down` on a new machine of each Debian release that the platform is said to run on.

Each machine is installed from the archive and removed afterwards; builds and downloads come from this machine's cache.
It takes about a quarter of an hour a release: `make test-distributions`, or `make test-distributions release=trixie`.
docs/results/distributions.yaml keeps what was seen.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import catalogue
import pytest
import yaml
from fresh_machine import FreshMachine, fresh_machine
from platformctl.install import distributions
from platformctl.install.distributions import Distribution
from platformctl.paths import repository_root
from platformctl.settings import DEFAULT_CACHE, default_ports

pytestmark = [pytest.mark.fresh_machine, pytest.mark.timeout(3600)]

ROOT = repository_root()
RESULTS = ROOT / "docs" / "results" / "distributions.yaml"
KNOWN = {name: each for name, each in distributions.load(ROOT).items() if each.name.startswith("Debian")}
RELEASES = os.environ.get("RELEASE", "").split() or list(KNOWN)
CLONE = "/srv/platform"
# A name that Elasticsearch's start script, RabbitMQ's file format, a shell and rsyslog's patterns would all misread.
ODD_CLONE = "/srv/größe 日本 $HOME [1]/clone"
# While it shares the network of this machine, which may run a platform itself.
OFFSET = {"PORT_OFFSET": os.environ.get("FRESH_MACHINE_PORT_OFFSET", "7000")}
# Suites that talk to PostgreSQL, RabbitMQ, Elasticsearch, Jaeger, Prometheus or Alertmanager.
SUITES = ("contracts", "orders", "jaeger-dependencies", "native", "alerts", "e2e")


@dataclass
class Seen:
    """What was seen on one release, for the results file."""

    distribution: Distribution
    figures: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Replace this release's entry in the results file."""
        document = yaml.safe_load(RESULTS.read_text()) if RESULTS.exists() else {}
        entry = {"name": self.distribution.name, "date": f"{datetime.now(UTC):%Y-%m-%d}", **self.figures}
        document = {**(document or {}), self.distribution.code_name: entry}
        head = "# Written by `make test-distributions`. Seconds are on two cores, builds and downloads present.\n"
        RESULTS.write_text(head + yaml.safe_dump(document, sort_keys=True, allow_unicode=True))


@pytest.fixture(scope="module", params=RELEASES)
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Collects the figures of one release and writes them, failures included, once the platform has started there."""
    collected = Seen(KNOWN[request.param])
    yield collected
    if collected.figures:
        collected.write()


@pytest.fixture(autouse=True)
def verdict(request: pytest.FixtureRequest, seen: Seen) -> Iterator[None]:
    """Records whether the test has passed; pytest counts a failure before it finalises fixtures."""
    failed = request.session.testsfailed
    yield
    title = request.node.originalname.removeprefix("test_").replace("_", " ")
    passed = request.session.testsfailed == failed
    verdicts = seen.figures.setdefault("verdicts", {})
    verdicts[title] = verdicts.get(title, True) and passed


@pytest.fixture(scope="module")
def machine(seen: Seen) -> Iterator[FreshMachine]:
    """A new machine of that release."""
    folder = ROOT / "var" / "fresh-machines" / seen.distribution.code_name
    cache = Path(os.environ.get("CACHE_DIR", DEFAULT_CACHE))
    with fresh_machine(seen.distribution.code_name, folder, cache) as made:
        yield made


@pytest.fixture(scope="module")
def up(machine: FreshMachine, seen: Seen) -> str:
    """The output of the first `make up` in a clone, which installs everything and places the test order."""
    machine.clone(ROOT, CLONE)
    began = time.monotonic()
    output = machine.must_run("make", "up", folder=CLONE, environment=OFFSET, online=True)
    seen.figures["first_up_seconds"] = round(time.monotonic() - began)
    return output


def test_the_order_of_make_up_is_found_in_every_signal(up: str) -> None:
    for signal in ("order", "trace", "logs", "metrics", "mail"):
        assert re.search(rf"^  {signal} +\S", up, re.MULTILINE), up[-2000:]


def test_the_packages_are_those_of_the_table(machine: FreshMachine, up: str, seen: Seen) -> None:
    listed = machine.must_run("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n")
    installed = dict(line.split() for line in listed.splitlines())
    series = seen.distribution.series
    versions = {name: re.sub(r"^\d+:", "", installed[name]) for name in series}
    assert [name for name, wanted in series.items() if not re.match(rf"{re.escape(wanted)}\b", versions[name])] == []
    seen.figures["packages"] = {re.sub(r"-\d+$", "", name): version for name, version in versions.items()}


def test_every_process_is_healthy(machine: FreshMachine, up: str) -> None:
    listed = machine.must_run(
        f"{CLONE}/.venv/bin/python", "-m", "platformctl", "status", folder=CLONE, environment=OFFSET
    )
    assert not re.search(r"\b(failed|not ready|restarting|stopped)\b", listed), listed


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_that_uses_backends_passes(machine: FreshMachine, up: str, seen: Seen, suite: str) -> None:
    # pytest keeps more than a small /tmp holds.
    environment = OFFSET | {"TMPDIR": "/var/tmp"}
    done = machine.run("make", "test", f"s={suite}", folder=CLONE, environment=environment, online=True)
    totals = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.MULTILINE)
    assert totals is not None, done.stdout[-6000:]
    seen.figures.setdefault("tests", {})[suite] = {"passed": int(totals[1]), "failed": int(totals[2])}
    assert done.returncode == 0, done.stdout[-6000:]


def test_make_down_leaves_no_process(machine: FreshMachine, up: str) -> None:
    assert machine.processes()
    machine.must_run("make", "down", folder=CLONE, environment=OFFSET)
    assert machine.processes() == []


def test_a_second_clone_in_a_folder_with_any_name_and_a_strict_umask(
    machine: FreshMachine, up: str, seen: Seen
) -> None:
    machine.must_run("make", "down", folder=CLONE, environment=OFFSET)
    machine.clone(ROOT, ODD_CLONE)
    machine.must_run("chmod", "-R", "go-rwx", ODD_CLONE)
    script = "umask 077; make up"
    began = time.monotonic()
    output = machine.must_run("sh", "-c", script, folder=ODD_CLONE, environment=OFFSET, online=True)
    seen.figures["second_clone_up_seconds"] = round(time.monotonic() - began)
    assert re.search(r"^  mail +\S", output, re.MULTILINE)
    state = machine.must_run("readlink", "var", folder=ODD_CLONE).strip()
    assert re.fullmatch(r"/var/lib/django-observability/[0-9a-f]+", state)
    machine.must_run("make", "reset", folder=ODD_CLONE, environment=OFFSET)
    assert machine.processes() == []
    assert machine.run("ls", state).returncode != 0, "reset left the state outside the clone"


def test_a_port_in_use_is_named_and_nothing_is_started(machine: FreshMachine, up: str, seen: Seen) -> None:
    """With no network but its own, without IPv6: a system-wide PostgreSQL has this platform's default port."""
    version = seen.distribution.postgresql
    machine.must_run("pg_createcluster", version, "main", "--start", environment={"LC_ALL": "C.UTF-8"})
    try:
        done = machine.run("make", "up", folder=CLONE)
        port = default_ports(catalogue.load())["POSTGRES_PORT"]
        assert done.returncode != 0
        assert f"port {port} (POSTGRES_PORT, for postgres) is held by postgres (pid " in done.stdout
        assert [line for line in machine.processes() if "process-compose" in line] == []
    finally:
        machine.must_run("pg_dropcluster", version, "main", "--stop")


def test_beside_a_system_wide_postgresql_without_ipv6_and_without_any_registry(
    machine: FreshMachine, up: str, seen: Seen
) -> None:
    version = seen.distribution.postgresql
    machine.must_run("pg_createcluster", version, "main", "--start", environment={"LC_ALL": "C.UTF-8"})
    before = machine.processes()
    try:
        began = time.monotonic()
        output = machine.must_run("make", "up", folder=CLONE, environment=OFFSET)
        seen.figures["up_seconds"] = round(time.monotonic() - began)
        assert re.search(r"^  mail +\S", output, re.MULTILINE)
        machine.must_run("make", "down", folder=CLONE, environment=OFFSET)
        answered = machine.must_run("pg_lsclusters", "--no-header")
        assert re.match(rf"{version} +main +5432 +online ", answered)
        assert sorted(_without_titles(machine.processes())) == sorted(_without_titles(before))
    finally:
        machine.must_run("pg_dropcluster", version, "main", "--stop")


def _without_titles(lines: list[str]) -> list[str]:
    """The server's own process; its children come and go."""
    return [line for line in lines if not line.startswith("postgres:")]
