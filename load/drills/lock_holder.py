"""`python -m load.drills.lock_holder DATABASE TABLE NAME [MODE]` locks a table until its session is terminated.

Locks all rows, or the table in a MODE of PostgreSQL's LOCK TABLE.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import psycopg
from psycopg import sql

from load.drills.world import World

# The upper limit for a lock after a crash of the drill.
LONGEST_SECONDS = 300


def main(database: str, table: str, name: str, mode: str = "") -> None:
    """Take the locks and hold them."""
    with suppress(psycopg.OperationalError), World().database(database, name) as session:
        session.autocommit = False
        if mode:
            session.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(sql.Identifier(table), sql.SQL(mode)))
        else:
            session.execute(sql.SQL("SELECT 1 FROM {} FOR UPDATE").format(sql.Identifier(table)))
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline and not session.closed:
            time.sleep(1)
            # A query notices a terminated session; an idle transaction wouldn't.
            session.execute("SELECT 1")


if __name__ == "__main__":
    main(*sys.argv[1:5])
