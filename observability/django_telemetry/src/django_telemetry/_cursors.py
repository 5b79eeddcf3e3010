"""django-prometheus's database families, counted for a fraction of what its own cursors take.

The package looks every child up by its label names anew, three times for each statement, and for MySQL and SQLite it
makes a class for each cursor. What is counted stays the same, a test compares both.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from time import perf_counter
from typing import Any

from django.conf import settings

_PACKAGE = "django_prometheus.db."


@lru_cache(maxsize=64)
def counting_cursor(cursor_class: type[Any], alias: str, vendor: str) -> type[Any]:
    """In place of the package's ExportingCursorWrapper: ``cursor_class`` that counts, times and counts failures."""
    from django_prometheus.db import errors_total, execute_many_total, execute_total, query_duration_seconds

    from .metrics import observe

    executed = execute_total.labels(alias, vendor)._value
    executed_many = execute_many_total.labels(alias, vendor)._value
    took = query_duration_seconds.labels(alias, vendor)

    class CursorWrapper(cursor_class):
        """Counts statements."""

        def execute(self, *args: Any, **kwargs: Any) -> Any:
            executed.inc(1)
            start = perf_counter()
            try:
                return super().execute(*args, **kwargs)
            except BaseException as exc:
                errors_total.labels(alias, vendor, type(exc).__name__).inc()
                raise
            finally:
                observe(took, perf_counter() - start, None)

        def executemany(self, query: Any, param_list: Any, *args: Any, **kwargs: Any) -> Any:
            executed.inc(len(param_list))
            executed_many.inc(len(param_list))
            start = perf_counter()
            try:
                return super().executemany(query, param_list, *args, **kwargs)
            except BaseException as exc:
                errors_total.labels(alias, vendor, type(exc).__name__).inc()
                raise
            finally:
                observe(took, perf_counter() - start, None)

    return CursorWrapper


def install() -> None:
    """Let the package's database engines make our cursors. Does nothing where no engine is the package's."""
    if not any(str(database.get("ENGINE", "")).startswith(_PACKAGE) for database in settings.DATABASES.values()):
        return
    from django_prometheus.db import common

    for name, module in [("", common), *sys.modules.items()]:
        if module is common or (name.startswith(_PACKAGE) and hasattr(module, "ExportingCursorWrapper")):
            module.ExportingCursorWrapper = counting_cursor
