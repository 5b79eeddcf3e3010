"""Connections to the services' databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from platformctl.app import Platform
from platformctl.run.backends import POSTGRES_ADMIN
from platformctl.run.environment import HOST


def connect(platform: Platform, role: str, database: str) -> psycopg.Connection[Any]:
    """Connect as `role`, with that role's own password. Raises psycopg.OperationalError."""
    return psycopg.connect(
        host=HOST,
        port=platform.settings.ports["POSTGRES_PORT"],
        user=role,
        password=platform.secrets.get(f"postgres_{role}"),
        dbname=database,
        connect_timeout=5,
        options="-c statement_timeout=10000",
    )


@contextmanager
def as_administrator(platform: Platform, database: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the administrator. Changes are rolled back unless the caller commits."""
    connection = connect(platform, POSTGRES_ADMIN, database)
    try:
        yield connection
    finally:
        connection.close()
