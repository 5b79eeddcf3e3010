"""The test suites: runs each package's tests in a separate pytest and prints one summary."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from catalogue import Service
from rich.console import Console
from rich.table import Table

from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.run.broker import ADMIN
from platformctl.run.database import TESTS_ROLE
from platformctl.run.environment import HOST

END_TO_END = "e2e"
# pytest's exit code for "no tests collected".
NO_TESTS = 5
# Suites that run in parallel: one more than two cores, because all of them wait for I/O now and then.
LANES = 3
SAY_EVERY_SECONDS = 20.0


@dataclass(frozen=True)
class Suite:
    """A folder with tests. `needs` are the required processes, services or groups; `arguments` are passed to pytest.

    A suite that is `alone` breaks or measures the running platform, so no other suite runs at the same time. One that
    isn't `usual` takes minutes longer and runs only when it is named.
    """

    name: str
    folder: str
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    alone: bool = False
    usual: bool = True


@dataclass(frozen=True)
class Result:
    """The result of one suite. Seconds are wall-clock time."""

    suite: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    broken: str = ""

    @property
    def is_good(self) -> bool:
        return not self.failed and not self.broken


def all_suites(platform: Platform) -> list[Suite]:
    """Every suite of this checkout. The longest starts first, so that it doesn't delay the end of the run."""
    stores = ("postgres", "rabbitmq")
    operators = platform.catalogue.for_operators()
    known = [
        Suite("django_telemetry", "observability/django_telemetry", stores),
        Suite("catalogue", "services/catalogue"),
        Suite("settings", "services/settings"),
        Suite("contracts", "services/contracts", stores),
        *(Suite(name, service.folder, stores) for name, service in platform.catalogue.for_customers().items()),
        # Tests marked live belong to the browser suite below.
        *(Suite(name, service.folder, stores, ("-m", "not live")) for name, service in operators.items()),
        Suite("testing", "testing"),
        Suite("native", "observability/native", ("postgres",)),
        Suite("jaeger-dependencies", "observability/jaeger/dependencies", ("jaeger",)),
        Suite("errors", "observability/errors", ("elasticsearch",)),
        Suite("log_pipeline", "observability/log_pipeline"),
        Suite("retention", "observability/retention"),
        Suite("watchdog", "observability/watchdog"),
        # The mutation tests take several minutes on two cores; `make test-alerts` runs them.
        Suite("alerts", "alerts", ("backends", "services"), ("--ignore=tests/test_mutants.py", "-m", "not live")),
        Suite("compose", "observability/compose"),
        Suite("load", "load", ("rabbitmq",)),
        # Tests marked live run the commands of the documentation's pages and freeze a service.
        Suite("docs", "docs", arguments=("-m", "not live")),
        Suite("docs-commands", "docs", ("backends", "services"), ("-m", "live"), alone=True),
        Suite(END_TO_END, "tests", ("backends", "services"), alone=True),
        # Starts a platform of its own, from a copy.
        Suite("new-service", "tests", arguments=("-m", "new_service"), alone=True, usual=False),
        # Starts a platform of its own on each distribution, beside this one.
        Suite("distributions", "observability/native", arguments=("-m", "fresh_machine"), alone=True, usual=False),
        *(
            Suite(
                f"{name}-browser",
                service.folder,
                ("backends", "services"),
                ("-m", "live", "tests/browser"),
                alone=True,
                usual=False,
            )
            for name, service in operators.items()
        ),
        # After the end-to-end tests, which produce most of the data of the panels about failures.
        Suite("dashboards", "dashboards", ("backends", "services"), alone=True),
    ]
    return [suite for suite in known if (platform.paths.root / suite.folder).is_dir()]


def select(platform: Platform, names: Sequence[str], *, end_to_end_only: bool = False) -> list[Suite]:
    """The suites with those names, or the usual ones. Raises PlatformError for an unknown name."""
    suites = all_suites(platform)
    if end_to_end_only:
        names = [END_TO_END]
    if missing := set(names) - {suite.name for suite in suites}:
        raise PlatformError(
            f"there is no test suite {', '.join(sorted(missing))}",
            advice=f"known are: {', '.join(suite.name for suite in suites)}",
        )
    return [suite for suite in suites if (suite.name in names if names else suite.usual)]


def needs(suites: Sequence[Suite]) -> list[str]:
    """The processes that these suites need."""
    return list(dict.fromkeys(need for suite in suites for need in suite.needs))


def environment(platform: Platform) -> dict[str, str]:
    """Variables for tests and benchmarks: servers on which they may create databases and virtual hosts."""
    ports = platform.settings.ports
    broker_password = platform.secrets.get(f"rabbitmq_{ADMIN}")
    database_password = platform.secrets.get(f"postgres_{TESTS_ROLE}")
    catalogue = platform.catalogue
    public = {
        f"TEST_{service.url_variable}": f"http://{HOST}:{platform.settings.port(name)}"
        for name, service in catalogue.public().items()
    }
    operators = {
        variable: value
        for service in catalogue.for_operators().values()
        for variable, value in _of_operators(platform, service).items()
    }
    return {
        **public,
        **operators,
        "TEST_DATABASE_URL": f"postgres://{TESTS_ROLE}:{database_password}@{HOST}:{ports['POSTGRES_PORT']}/postgres",
        "TEST_RABBITMQ_URL": f"amqp://{ADMIN}:{broker_password}@{HOST}:{ports['RABBITMQ_PORT']}/",
        "BENCH_DATABASE_URL": f"postgres://{TESTS_ROLE}:{database_password}@{HOST}:{ports['POSTGRES_PORT']}/benchmark",
        "BENCH_OTLP_ENDPOINT": f"http://{HOST}:{ports['JAEGER_OTLP_HTTP_PORT']}",
        "TEST_ELASTICSEARCH_URL": f"http://{HOST}:{ports['ELASTICSEARCH_PORT']}",
        "TEST_JAEGER_URL": f"http://{HOST}:{ports['JAEGER_QUERY_PORT']}",
        "TEST_ALERTMANAGER_URL": f"http://{HOST}:{ports['ALERTMANAGER_PORT']}",
        "TEST_RABBITMQ_ADMIN_URL": f"http://{ADMIN}:{broker_password}@{HOST}:{ports['RABBITMQ_MANAGEMENT_PORT']}",
    }


def _of_operators(platform: Platform, service: Service) -> dict[str, str]:
    """Variables for browser tests of an operators' service: its URL, database and assets."""
    own = platform.environment.of_command(service.name)
    found = {
        service.url_variable: f"http://{HOST}:{platform.settings.port(service.name)}",
        service.url_variable.replace("_URL", "_DATABASE_URL"): own["DATABASE_URL"],
    }
    return found | ({service.assets: own[service.assets]} if service.assets else {})


def run(platform: Platform, names: Sequence[str], console: Console, *, end_to_end_only: bool = False) -> int:
    """Run suites, continuing after failures, and print a table with the totals. Returns the exit code.

    Suites run in parallel and each prints its output when it ends. A suite that is `alone`, or the only one, prints
    while it runs.
    """
    suites = select(platform, names, end_to_end_only=end_to_end_only)
    together = [suite for suite in suites if not suite.alone]
    if len(together) == 1:
        together = []
    found = _side_by_side(platform, together, console) if together else {}
    found |= {suite.name: _run(platform, suite, console) for suite in suites if suite not in together}
    results = [found[suite.name] for suite in suites]
    _show(results, console)
    passed, failed, skipped = (sum(getattr(r, key) for r in results) for key in ("passed", "failed", "skipped"))
    broken = sum(1 for result in results if result.broken and not result.failed)
    console.print(f"{passed} passed, {failed + broken} failed, {skipped} skipped", highlight=False)
    return 0 if passed and all(result.is_good for result in results) else 1


def _side_by_side(platform: Platform, suites: Sequence[Suite], console: Console) -> dict[str, Result]:
    """Run these in LANES parallel lanes; report periodically which ones are running."""
    running: list[str] = []
    ended = threading.Event()

    def one(suite: Suite) -> Result:
        running.append(suite.name)
        try:
            return _run(platform, suite, console, quietly=True)
        finally:
            running.remove(suite.name)

    def say() -> None:
        began = time.monotonic()
        while not ended.wait(SAY_EVERY_SECONDS):
            console.print(f"  {time.monotonic() - began:.0f} s: {', '.join(running)} ...", highlight=False)

    results = {}
    teller = threading.Thread(target=say, daemon=True)
    teller.start()
    lanes = ThreadPoolExecutor(LANES)
    try:
        for future in as_completed([lanes.submit(one, suite) for suite in suites]):
            result = future.result()
            results[result.suite] = result
            console.rule(f"{result.suite}, {result.seconds:.0f} s", align="left")
            console.print(_output(platform, result.suite).read_text().rstrip(), highlight=False, markup=False)
    finally:
        # Interrupted: pytest gets the signal as well, and the remaining suites don't start.
        lanes.shutdown(cancel_futures=True)
        ended.set()
        teller.join()
    return results


def _output(platform: Platform, suite: str) -> Path:
    return platform.paths.test_results / f"{suite}.txt"


def _run(platform: Platform, suite: Suite, console: Console, *, quietly: bool = False) -> Result:
    """Run one suite in a separate pytest; `quietly` sends its output to a file."""
    report = platform.paths.test_results / f"{suite.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [
        *(str(platform.paths.python), "-m", "pytest", "-q", f"--junitxml={report}"),
        *("-o", f"junit_suite_name={suite.name}"),
        *suite.arguments,
    ]
    folder, variables = platform.paths.root / suite.folder, os.environ | environment(platform)
    began = time.monotonic()
    if quietly:
        with _output(platform, suite.name).open("w") as output:
            done = subprocess.run(
                command, cwd=folder, env=variables, check=False, stdout=output, stderr=subprocess.STDOUT
            )
    else:
        console.rule(suite.name, align="left")
        done = subprocess.run(command, cwd=folder, env=variables, check=False)
    return read_report(suite.name, report, done.returncode, time.monotonic() - began)


def read_report(suite: str, report: Path, code: int, seconds: float) -> Result:
    """The counts of a JUnit file, combined with pytest's exit code."""
    if code == NO_TESTS:
        return Result(suite, 0, 0, 0, seconds, "no tests")
    if not report.exists():
        return Result(suite, 0, 0, 0, seconds, f"pytest ended with {code}, without a report")
    root = ElementTree.parse(report).getroot()  # noqa: S314 - written by our own pytest
    counts = {key: sum(int(s.get(key, "0")) for s in root.iter("testsuite")) for key in ("tests", "skipped")}
    failed = sum(int(s.get("failures", "0")) + int(s.get("errors", "0")) for s in root.iter("testsuite"))
    passed = counts["tests"] - failed - counts["skipped"]
    broken = f"pytest ended with {code}" if code != 0 and not failed else ""
    return Result(suite, passed, failed, counts["skipped"], seconds, broken)


def _show(results: Sequence[Result], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("SUITE")
    for heading in ("PASSED", "FAILED", "SKIPPED", "SECONDS"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for result in results:
        style = "" if result.is_good else "bold red"
        counts = (str(result.passed), str(result.failed), str(result.skipped), f"{result.seconds:.0f}")
        table.add_row(result.suite, *counts, result.broken, style=style)
    console.print(table)
