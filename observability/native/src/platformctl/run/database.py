"""PostgreSQL: the cluster, a database and a role for each service, and their rights."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
from catalogue import Catalogue
from psycopg import sql

from platformctl.errors import PlatformError
from platformctl.install.distributions import Distribution
from platformctl.run.account import Account
from platformctl.run.backends import POSTGRES_ADMIN, POSTGRES_EXPORTER_ROLE
from platformctl.run.environment import HOST
from platformctl.secret_store import SecretStore

TESTS_ROLE = "tests"


def check_version(data: Path, distribution: Distribution) -> None:
    """Raise PlatformError if the cluster was created by another major version of the server, which can't read it."""
    version_file = data / "PG_VERSION"
    found = version_file.read_text().strip() if version_file.exists() else distribution.postgresql
    if found != distribution.postgresql:
        raise PlatformError(
            f"the data in {data} is that of PostgreSQL {found}, and {distribution.name} has {distribution.postgresql}",
            advice="make reset drops the platform's data; to keep it, start it once more on the system that it is from",
        )


def create_cluster(data: Path, binaries: Path, account: Account, secrets: SecretStore) -> None:
    """Create the cluster if it is missing. Built under another name and renamed, so a partial one is never used."""
    if (data / "PG_VERSION").exists():
        return
    partial = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    password_file = data.with_name("initdb-password")
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(secrets.get(f"postgres_{POSTGRES_ADMIN}"))
        for path in (partial, password_file):
            account.own(path)
        made = subprocess.run(
            account.command(
                str(binaries / "initdb"),
                *("-D", str(partial), "-U", POSTGRES_ADMIN, "-A", "scram-sha-256", f"--pwfile={password_file}"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
    finally:
        password_file.unlink()
    if made.returncode != 0:
        raise PlatformError("initdb failed", detail=(made.stdout + made.stderr).splitlines()[-10:])
    if data.exists():
        data.rmdir()
    partial.rename(data)


def ensure_roles(port: int, catalogue: Catalogue, secrets: SecretStore) -> None:
    """Create roles, databases and rights. Idempotent."""
    with psycopg.connect(
        host=HOST,
        port=port,
        user=POSTGRES_ADMIN,
        password=secrets.get(f"postgres_{POSTGRES_ADMIN}"),
        dbname="postgres",
        autocommit=True,
        connect_timeout=10,
        options="-c statement_timeout=20000",
    ) as connection:
        databases = _Databases(connection, secrets)
        databases.role(TESTS_ROLE, "CREATEDB")
        databases.role(POSTGRES_EXPORTER_ROLE, "NOCREATEDB CONNECTION LIMIT 5")
        databases.run("GRANT pg_monitor TO {}", POSTGRES_EXPORTER_ROLE)
        databases.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        # By default every role may connect to every database, including these two.
        for shared in ("postgres", "template1"):
            databases.run("REVOKE ALL ON DATABASE {} FROM PUBLIC", shared)
        # Creating a test database starts with a connection to this one.
        for role in (TESTS_ROLE, POSTGRES_EXPORTER_ROLE):
            databases.run("GRANT CONNECT ON DATABASE postgres TO {}", role)
        for service in catalogue.services.values():
            databases.role(service.name, "NOCREATEDB")
            databases.database(service.database, service.name)


class _Databases:
    def __init__(self, connection: psycopg.Connection, secrets: SecretStore) -> None:
        self._connection = connection
        self._secrets = secrets

    def run(self, statement: str, *names: str) -> None:
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def role(self, name: str, attributes: str) -> None:
        """Create a login role, with its password from the secrets."""
        known = self._connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        if known is None:
            self.run("CREATE ROLE {}", name)
        statement = sql.SQL("ALTER ROLE {} NOSUPERUSER NOCREATEROLE LOGIN " + attributes + " PASSWORD {}")
        password = self._secrets.get(f"postgres_{name}")
        self._connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))

    def database(self, name: str, owner: str) -> None:
        """Create a database that only its owner may connect to."""
        known = self._connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            self.run("CREATE DATABASE {} OWNER {}", name, owner)
        self.run("REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
