"""pg_hba.conf on a real PostgreSQL with the container's command line."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from platform_testing.ports import free_port
from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.settings import DEFAULT_CACHE

from tests import stack

BINARIES = Locations(Paths(stack.ROOT, Path(DEFAULT_CACHE))).postgres_binaries
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as another user, which only root can do"),
    pytest.mark.skipif(not BINARIES.is_dir(), reason="PostgreSQL is not installed here: make up"),
]
# PostgreSQL requires a user with a name.
USER = 65534
PASSWORD = "geheim"
# Loopback, but not the address from which the superuser may connect: pg_hba.conf treats it as another container.
ANOTHER_HOST = "127.0.0.2"
PROTOCOL_VERSION = 3 << 16


def as_user(*command: str) -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="database-"))
    mounted = {inside: stack.ROOT / source for source, inside, _ in stack.mounts(stack.services()["postgres"])}
    password = folder / "password"
    password.write_text(PASSWORD)
    for name in ("postgresql.conf", "pg_hba.conf"):
        shutil.copy(mounted[f"/etc/postgresql/{name}"], folder)
    for path in (folder, *folder.iterdir()):
        os.chown(path, USER, USER)
    data, log, port = folder / "data", folder / "log", free_port()
    made = [*stack.services()["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split(), f"--pwfile={password}"]
    subprocess.run(
        as_user(str(BINARIES / "initdb"), "-D", str(data), "-U", "postgres", "--no-sync", *made),
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    options = [
        argument.replace("/etc/postgresql", str(folder)).replace("/var/run/postgresql", str(folder))
        for argument in stack.services()["postgres"]["command"][1:]
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            as_user(str(BINARIES / "postgres"), "-D", str(data), *options, f"-cport={port}"),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    found = {"folder": str(folder), "port": port}
    try:
        deadline = time.monotonic() + 60
        while not is_ready(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(folder)


def is_ready(port: int) -> bool:
    """The same check as the container's health check."""
    kind, command, *arguments = stack.services()["postgres"]["healthcheck"]["test"]
    assert (kind, command) == ("CMD", "pg_isready")
    asked = [str(BINARIES / command), *arguments, f"--port={port}"]
    return subprocess.run(asked, capture_output=True, timeout=10, check=False).returncode == 0


def connect(server: dict[str, Any], password: str) -> psycopg.Connection[Any]:
    """Connect as the drill does: through the socket."""
    return psycopg.connect(
        host=server["folder"], port=server["port"], user="postgres", password=password, connect_timeout=10
    )


def answer(server: dict[str, Any], user: str, database: str) -> bytes:
    """The server's first reply to a start-up message from another container: R requests the password, E refuses."""
    text = f"user\0{user}\0database\0{database}\0\0".encode()
    message = struct.pack("!ii", len(text) + 8, PROTOCOL_VERSION) + text
    with socket.create_connection(("127.0.0.1", server["port"]), 10, source_address=(ANOTHER_HOST, 0)) as connection:
        connection.sendall(message)
        return connection.recv(4096)


def test_the_administrator_connects_through_the_socket_with_the_password(server: dict[str, Any]) -> None:
    with connect(server, PASSWORD) as session:
        assert session.execute("SHOW is_superuser").fetchone() == ("on",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(server, "wrong")


def test_the_administrator_cannot_connect_from_another_container(server: dict[str, Any]) -> None:
    said = answer(server, "postgres", "postgres")
    assert said.startswith(b"E"), said
    assert b"no pg_hba.conf entry" in said


def test_a_service_connects_to_its_own_database_only(server: dict[str, Any]) -> None:
    assert answer(server, "orders", "orders").startswith(b"R")
    for database in ("payments", "postgres"):
        said = answer(server, "orders", database)
        assert said.startswith(b"E"), said
        assert b"no pg_hba.conf entry" in said
