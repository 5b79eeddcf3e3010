"""django-prometheus's database metric families, updated at a fraction of the cost of its own cursors.

The package looks up each labelled child three times per statement, and for MySQL and SQLite it creates a class per
cursor. The values are the same; a test compares both implementations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from time import perf_counter
from typing import Any

from django.conf import settings
from prometheus_client import Counter

from ._guard import guarded
from ._plain import name_of
from .metrics import observe

_PACKAGE = "django_prometheus.db."


@lru_cache(maxsize=64)
def counting_cursor(cursor_class: type[Any], alias: str, vendor: str) -> type[Any]:
    """Subclass ``cursor_class`` to count statements and errors and to time them; replaces ExportingCursorWrapper."""
    from django_prometheus.db import errors_total, execute_many_total, execute_total, query_duration_seconds

    executed = execute_total.labels(alias, vendor)._value
    executed_many = execute_many_total.labels(alias, vendor)._value
    took = query_duration_seconds.labels(alias, vendor)

    def timed(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            return call(*args, **kwargs)
        except BaseException as exc:
            _count_error(errors_total, alias, vendor, exc)
            raise
        finally:
            observe(took, perf_counter() - start, None)

    class CursorWrapper(cursor_class):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            executed.inc(1)
            return timed(super().execute, *args, **kwargs)

        def executemany(self, query: Any, param_list: Any, *args: Any, **kwargs: Any) -> Any:
            executed.inc(len(param_list))
            executed_many.inc(len(param_list))
            return timed(super().executemany, query, param_list, *args, **kwargs)

    return CursorWrapper


@guarded("metrics")
def _count_error(errors_total: Counter, alias: str, vendor: str, exc: BaseException) -> None:
    errors_total.labels(alias, vendor, name_of(type(exc))).inc()


def install() -> None:
    """Make django-prometheus's database engines use these cursors. Does nothing when no such engine is configured."""
    if not any(str(database.get("ENGINE", "")).startswith(_PACKAGE) for database in settings.DATABASES.values()):
        return
    import_module(f"{_PACKAGE}common")  # engines that are loaded later import the wrapper from here
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE) and hasattr(module, "ExportingCursorWrapper"):
            module.ExportingCursorWrapper = counting_cursor  # type: ignore[attr-defined]
