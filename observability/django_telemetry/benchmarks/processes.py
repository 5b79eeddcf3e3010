"""Helpers that the runner needs: a free port, a sink, tables with rows."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

HERE = Path(__file__).resolve().parent
PREPARE = """
import django
from django.conf import settings
from benchmarks.project import settings_for
settings.configure(**settings_for("bare", "benchmarks.api", {url!r}))
django.setup()
from django.db import connection
from benchmarks.models import Shelf, Thing
tables = connection.introspection.table_names()
with connection.schema_editor() as editor:
    for model in (Shelf, Thing):
        if model._meta.db_table not in tables:
            editor.create_model(model)
if not Thing.objects.exists():
    shelf = Shelf.objects.create(name="shelf")
    Thing.objects.bulk_create([Thing(name=f"thing {{n}}", shelf=shelf) for n in range(200)])
"""


def free_port() -> int:
    """A port that is currently unused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """Run a backend that accepts all requests in its own process. Yields its URL."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.sink", str(port)], cwd=HERE.parent) as process:
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def prepare_tables(database_url: str) -> None:
    """Create the benchmark's database, tables and rows unless they exist."""
    server, _, name = database_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=10) as session:
        if not session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    subprocess.run([sys.executable, "-c", PREPARE.format(url=database_url)], cwd=HERE.parent, check=True)
