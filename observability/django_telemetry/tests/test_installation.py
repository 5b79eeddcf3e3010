"""The package installed into a new environment, in a project that is independent of this repository.

Slow, because of the installation; `pytest -m installation` runs it. pip must be able to reach its package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .harness import HttpBackend, respond
from .project import Project

pytestmark = [pytest.mark.installation, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parent.parent

SERVERS = {
    "gunicorn": ("-m", "gunicorn", "--bind=127.0.0.1:{port}", "--threads=4", "shop.wsgi"),
    "uvicorn": ("-m", "uvicorn", "--port={port}", "--log-level=warning", "shop.asgi:application"),
}
DATABASES = {
    "sqlite": "",
    "postgresql": "TEST_DATABASE_URL",
    "mysql": "TEST_MYSQL_URL",
}
# The drivers. PyMySQL replaces mysqlclient, which must be compiled at installation.
DRIVERS = ("psycopg[binary]", "PyMySQL")
MYSQL_DRIVER = """
import pymysql
pymysql.version_info = (2, 2, 1, "final", 0)  # what Django asks mysqlclient for
pymysql.install_as_MySQLdb()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python environment with only the package, the servers and the drivers."""
    folder = tmp_path_factory.mktemp("installed")
    # pip builds inside the source folder.
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    installed = str(folder / "venv" / "bin" / "python")
    django = os.environ.get("TEST_DJANGO", "Django")
    subprocess.run(
        [installed, "-m", "pip", "install", "--quiet", str(source), django, "gunicorn", "uvicorn", *DRIVERS], check=True
    )
    return installed


@pytest.fixture
def collector() -> Iterator[HttpBackend]:
    server = HttpBackend(respond(200))
    yield server
    server.close()


def _database_settings(database: str) -> str:
    """The settings for the project's empty database, which the fixture creates before and drops after the test."""
    if database == "sqlite":
        return ""
    variable = DATABASES[database]
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set (for example {database}://user:password@127.0.0.1/name)")
    url = urlsplit(os.environ[variable])
    options = {
        "ENGINE": f"django_prometheus.db.backends.{database}",
        "HOST": url.hostname,
        "PORT": url.port or "",
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "NAME": f"shop_{os.getpid()}",
    }
    return (MYSQL_DRIVER if database == "mysql" else "") + f"DATABASES = {{'default': {options!r}}}\n"


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, python: str) -> Iterator[str]:
    """The name of a database system that has an empty database for the project."""
    name: str = request.param
    _database_settings(name)  # skips
    _administer(python, name, "CREATE DATABASE")
    yield name
    _administer(python, name, "DROP DATABASE")


def _administer(python: str, database: str, statement: str) -> None:
    """Run an administrative SQL statement with the project's own driver."""
    if database == "sqlite":
        return
    url = urlsplit(os.environ[DATABASES[database]])
    if database == "postgresql":
        connect = f"import psycopg; c = psycopg.connect({url.geturl()!r}, autocommit=True)"
    else:
        options = {"host": url.hostname, "port": url.port or 3306, "user": url.username, "password": url.password or ""}
        connect = f"import pymysql; c = pymysql.connect(**{options!r})"
    program = f"{connect}; c.cursor().execute('{statement} shop_{os.getpid()}'); c.close()"
    subprocess.run([python, "-c", program], check=True, timeout=30)


@pytest.mark.parametrize("server", SERVERS)
def test_an_installed_package_and_three_lines_give_all_four_signals(
    tmp_path: Path, collector: HttpBackend, python: str, database: str, server: str
) -> None:
    project = Project(tmp_path, collector, python, _database_settings(database))
    project.check_all_four_signals(database, *SERVERS[server])


def test_the_check_command_passes_with_an_installed_package(
    tmp_path: Path, collector: HttpBackend, python: str
) -> None:
    done = Project(tmp_path, collector, python).manage("telemetry", "check")
    assert done.returncode == 0, done.stdout + done.stderr
