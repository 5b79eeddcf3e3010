"""Observes COPY and stored procedures, which Django passes to the driver without calling its execute wrappers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.db.backends.utils import CursorWrapper

_callproc = CursorWrapper.callproc


class Watcher:
    """A connection's execute wrapper that can also observe what Django doesn't pass to it."""

    __slots__ = ()

    @abstractmethod
    def watch(self, sql: Any, cursor: CursorWrapper) -> AbstractContextManager[None]:
        """Observe the block as the statement ``sql``."""


def install() -> None:
    """Patch CursorWrapper.callproc() and the cursor's copy(). A second call does nothing."""
    CursorWrapper.callproc = callproc  # type: ignore[assignment, method-assign]
    CursorWrapper.copy = _Copy()  # type: ignore[attr-defined]


def _watcher(cursor: CursorWrapper) -> Watcher | None:
    return next((wrapper for wrapper in cursor.db.execute_wrappers if isinstance(wrapper, Watcher)), None)


def callproc(cursor: CursorWrapper, procname: Any, params: Any = None, kparams: Any = None) -> Any:
    """CursorWrapper.callproc(), observed as a statement ``CALL name(…)``."""
    watcher = _watcher(cursor)
    if watcher is None:
        return _callproc(cursor, procname, params, kparams)
    places = ", ".join(["%s"] * (len(params or ()) + len(kparams or ())))
    # psycopg accepts an Identifier too.
    name = procname if isinstance(procname, str) else procname.as_string(cursor.db.connection)
    with watcher.watch(f"CALL {name}({places})", cursor):
        return _callproc(cursor, procname, params, kparams)


class _Copy:
    """The attribute ``copy`` of a cursor: psycopg's method, observed. Other drivers' cursors still have none."""

    def __get__(self, cursor: CursorWrapper | None, owner: type[CursorWrapper]) -> Callable[..., Any]:
        if cursor is None:
            raise AttributeError("copy")
        method: Callable[..., Any] = cursor.cursor.copy
        watcher = _watcher(cursor)
        if watcher is None:
            return method

        @contextmanager
        def copy(statement: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            with watcher.watch(statement, cursor), method(statement, *args, **kwargs) as copied:
                yield copied

        return copy
