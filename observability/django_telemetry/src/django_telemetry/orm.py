"""Counts of inserted, updated and deleted rows, and of applied migrations, under django-prometheus's names.

The package counts saves through a mixin in each model. Here rows are counted in the execute wrapper, for all models:
without a mixin, including bulk operations, and without signal receivers, which would make Django fetch rows before it
deletes them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django_prometheus.migrations import ExportMigrationsForDatabase
from django_prometheus.models import model_deletes, model_inserts, model_updates

from ._guard import internal_error

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE, _INTERVAL = 1.0, 30.0, 300.0

# (verb, table) → function that adds the number of rows.
_counters: dict[tuple[str, str], Callable[[float], None]] = {}


def prepare() -> None:
    """Start the counters of every model at 0, except models that use the package's mixin."""
    for model in apps.get_models(include_auto_created=True):
        options = model._meta
        if not options.managed or options.proxy or _counts_itself(model):
            continue
        # With the app's label: two apps may have a model of the same name.
        table, name = options.db_table, options.label_lower
        for verb, family in (("INSERT", model_inserts), ("UPDATE", model_updates), ("DELETE", model_deletes)):
            _counters[(verb, table)] = family.labels(name).inc


def _counts_itself(model: type[Any]) -> bool:
    return any("ExportModelOperationsMixin" in base.__qualname__ for base in model.__mro__)


def count(verb: str, table: str, cursor: Any, sql: str) -> None:
    """Count the rows affected by a successful INSERT, UPDATE or DELETE. Never raises."""
    try:
        _count(verb, table, cursor, sql)
    except Exception:
        internal_error("metrics", "the rows of a statement")


def _count(verb: str, table: str, cursor: Any, sql: str) -> None:
    counter = _counters.get((verb, table))
    if counter is None:
        return
    rows = getattr(cursor, "rowcount", -1)
    if rows == 0 and verb == "INSERT" and "RETURNING" in sql:
        # SQLite knows the number only after the returned rows are read; Django writes each row as a group of values.
        rows = 1 + sql.count("), (") + sql.count(" UNION ALL ")
    if isinstance(rows, int) and rows > 0:
        counter(rows)


def _export_migrations(alias: str) -> bool:
    """Whether the migrations of one database could be read."""
    try:
        ExportMigrationsForDatabase(alias, MigrationExecutor(connections[alias]))
        return True
    except Exception as exc:
        logger.debug("The migrations of database %s could not be read: %s", alias, type(exc).__name__)
        return False
    finally:
        with suppress(Exception):
            connections[alias].close()  # connections are per thread


def watch_migrations() -> threading.Event:
    """Update django_migrations_applied and _unapplied in a thread. Set the returned event to stop it.

    Not done synchronously at start: a service must start even when the database is unavailable.
    """
    stop = threading.Event()

    def watch() -> None:
        pause = _FIRST_PAUSE
        apps.ready_event.wait()  # Django warns about queries before that
        while True:
            read = [_export_migrations(alias) for alias in connections]
            if all(read):
                wait, pause = _INTERVAL, _FIRST_PAUSE
            else:
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
            if stop.wait(wait):
                return

    threading.Thread(target=watch, name="telemetry-migrations", daemon=True).start()
    return stop
