"""The database edge: spans, the edge metric and pool gauges, for every Django database engine.

Django's own hook (connection.execute_wrappers) receives each statement separately from its parameters, for every
engine, with or without django-prometheus, and costs less than wrapping cursors again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter_ns, time_ns
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from . import _cursors, _database_errors, _procedures, _sql, orm
from ._cache import SizedCache, sized_cache
from ._guard import guarded, internal_error
from ._ids import hex_ids
from ._model_names import is_model_name
from ._plain import exception_text
from ._span import Template, finish
from ._work import Remembered, current_work
from .edges import ERROR, OK, REFUSED, TIMEOUT, declare, observe_call
from .tracing import exception_event, get_tracing

# Django's vendor names mapped to those of the semantic conventions.
_SYSTEMS = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite", "oracle": "oracle.db"}
OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "CALL", "connect", "other")

_INTO_TABLE = re.compile(r"\bFROM\s+(?:STDIN|PROGRAM|\?)", re.IGNORECASE)
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
MAX_STATEMENT = 1024


@sized_cache
def describe(sql: str, dialect: str) -> tuple[str, str, str, str]:
    """(operation, summary, text, table): the verb, verb and table, the SQL without values, and the table.

    ``dialect`` is Django's vendor name, or the variant of it that _dialect() returns.
    """
    statement = _sql.parse(sql, dialect, MAX_STATEMENT, is_model_name)
    operation = statement.verb if statement.verb in OPERATIONS else "other"
    return operation, statement.summary, statement.text, statement.table


def _render(sql: Any, connection: BaseDatabaseWrapper) -> str:
    """The statement as the driver renders it; empty when it can't be known."""
    if isinstance(sql, str):
        return sql
    if isinstance(sql, bytes):
        return sql.decode("utf-8", "replace")
    try:
        return str(sql.as_string(connection.connection))  # psycopg's sql.SQL, sql.Composed
    except Exception:  # execute() will raise it, or knows more than this
        return ""


def _dialect(connection: BaseDatabaseWrapper, sql: str) -> str:
    """The dialect of ``sql``, with what the session's settings say about backslashes. The driver knows them."""
    vendor = connection.vendor
    if "\\" not in sql:
        return vendor
    driver = connection.connection
    try:
        if vendor == "postgresql" and driver.info.parameter_status("standard_conforming_strings") == "off":
            return "postgresql-backslashes"
        if vendor == "mysql" and b"\\" not in _bytes(driver.escape_string("'")):
            return "mysql-plain"
    except Exception:  # another driver, or not connected
        return vendor
    return vendor


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


_ANSWERS = frozenset({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})
_TIMEOUTS = frozenset({"QueryCanceled", "PoolTimeout", "ConnectionTimeout", "LockNotAvailable"})
_REFUSALS = frozenset(
    {"ConnectionFailure", "AdminShutdown", "CrashShutdown", "CannotConnectNow", "TooManyConnections", "PoolClosed"}
)


def _outcome(exc: BaseException) -> str:
    """The edge outcome of a database exception. Django keeps the driver's exception as its cause."""
    cause = exc.__cause__ or exc
    name = type(cause).__name__
    if name in _TIMEOUTS or "timeout" in exception_text(cause, 200)[:200]:
        return TIMEOUT
    if name in _REFUSALS or name in ("OperationalError", "InterfaceError"):
        return REFUSED
    return ERROR


def _is_answer(exc: BaseException) -> bool:
    """Whether the exception is the answer of a working database: a violated constraint, or rejected data or SQL.

    COPY raises the driver's exceptions, which are subclasses of these.
    """
    return any(base.__name__ in _ANSWERS for base in type(exc).__mro__)


class StatementObserver(_procedures.Watcher):
    """An execute wrapper for one connection: one time measurement, edge sample and span per statement."""

    __slots__ = ("_attributes", "_dependency", "_templates")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._dependency = _SYSTEMS.get(connection.vendor, connection.vendor)
        self._attributes = connection_attributes(connection)
        self._templates: SizedCache[str, Template] = SizedCache()

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        try:
            connection = context["connection"]
            text = sql if type(sql) is str else _render(sql, connection)
            operation, summary, statement, table = describe(text, _dialect(connection, text))
            parent = trace.get_current_span().get_span_context()
            # Outside of any unit of work (migrations, a shell) there is no trace to add a span to.
            start_ns, start = time_ns(), perf_counter_ns()
            span = get_tracing().start(summary, SpanKind.CLIENT, parent, start_ns) if parent.is_valid else None
        except Exception:
            internal_error("traces", "the start of a statement")
            return execute(sql, params, many, context)
        error = None
        try:
            result = execute(sql, params, many, context)
            if operation in _WRITES:
                orm.count(operation, table, context["cursor"], text)
            return result
        except Exception as exc:
            error = exc
            raise
        finally:
            elapsed = perf_counter_ns() - start
            self._record(span, parent, (operation, summary, statement), start_ns, elapsed, error)

    @contextmanager
    def watch(self, sql: Any, cursor: CursorWrapper) -> Iterator[None]:
        connection = cursor.db
        text = _render(sql, connection)
        operation, summary, statement, table = describe(text, _dialect(connection, text))
        parent = trace.get_current_span().get_span_context()
        start_ns, start = time_ns(), perf_counter_ns()
        span = get_tracing().start(summary, SpanKind.CLIENT, parent, start_ns) if parent.is_valid else None
        error = None
        try:
            yield
            if operation == "COPY" and _INTO_TABLE.search(statement):
                orm.count("INSERT", table, cursor, text)
        except Exception as exc:
            error = exc
            raise
        finally:
            elapsed = perf_counter_ns() - start
            self._record(span, parent, (operation, summary, statement), start_ns, elapsed, error)

    def _record(
        self,
        span: Span | None,
        parent: SpanContext,
        described: tuple[str, str, str],
        start_ns: int,
        elapsed: int,
        error: Exception | None,
    ) -> None:
        """Record the edge sample and end the span. ``described``: operation, summary, text; times in nanoseconds.

        Never raises.
        """
        try:
            self._emit(span, parent, described, start_ns, elapsed, error)
        except Exception:
            internal_error("traces", "the end of a statement")
            if span is not None:
                with suppress(Exception):
                    span.end(start_ns + elapsed)

    def _emit(
        self,
        span: Span | None,
        parent: SpanContext,
        described: tuple[str, str, str],
        start_ns: int,
        elapsed: int,
        error: Exception | None,
    ) -> None:
        operation, summary, statement = described
        outcome = OK
        if error is not None:
            outcome = OK if _is_answer(error) else _outcome(error)
            _database_errors.note(error, statement)
        if span is None:
            observe_call(self._dependency, "sql", operation, outcome, elapsed / 1e9)
            return
        recording = span.is_recording()
        span_context = span.get_span_context()
        observe_call(
            self._dependency, "sql", operation, outcome, elapsed / 1e9, hex_ids(span_context) if recording else None
        )
        if recording:
            if error is not None:
                exception_event(span, error)
                span.set_status(StatusCode.ERROR, type(error).__qualname__)
            finish(span, self._template(operation, summary, statement, error), {}, start_ns + elapsed)
            return
        work = current_work()
        if work is not None and work.remembered is not None:
            work.remember(
                Remembered(
                    span_context,
                    parent,
                    summary,
                    SpanKind.CLIENT,
                    start_ns,
                    start_ns + elapsed,
                    self._span_attributes(operation, summary, statement, error),
                    StatusCode.UNSET if error is None else StatusCode.ERROR,
                    None if error is None else type(error).__qualname__,
                )
            )

    def _template(self, operation: str, summary: str, statement: str, error: BaseException | None) -> Template:
        """The template that all spans of a statement share."""
        template = self._templates.get(statement) if error is None else None
        if template is None:
            template = Template(summary, self._span_attributes(operation, summary, statement, error))
            if error is None:
                # Its attributes, and later their encoded form.
                self._templates.keep(statement, template, 3 * template.size)
        return template

    def _span_attributes(
        self, operation: str, summary: str, statement: str, error: BaseException | None
    ) -> dict[str, Any]:
        attributes = {**self._attributes, "db.query.summary": summary}
        if statement:
            attributes["db.query.text"] = statement
        if operation != "other":
            attributes["db.operation.name"] = operation
        if error is not None:
            attributes["error.type"] = type(error.__cause__ or error).__qualname__
        return attributes


def connection_attributes(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """The span attributes that all statements of a connection share."""
    settings = connection.settings_dict
    system = _SYSTEMS.get(connection.vendor, connection.vendor)
    attributes: dict[str, Any] = {"db.system.name": system, "peer.service": system}
    if settings.get("NAME") and system != "sqlite":  # SQLite's name is a path
        attributes["db.namespace"] = str(settings["NAME"])
    if settings.get("HOST"):
        attributes["server.address"] = str(settings["HOST"])
    if str(settings.get("PORT") or "").isdigit():
        attributes["server.port"] = int(settings["PORT"])
    return attributes


def install() -> None:
    """Observe every connection opened from now on, and time how long opening takes."""
    original = BaseDatabaseWrapper.connect
    if getattr(original, "__telemetry__", False):
        return
    _cursors.install()
    _procedures.install()

    def connect(self: BaseDatabaseWrapper) -> None:
        dependency = _SYSTEMS.get(self.vendor, self.vendor)
        if not any(isinstance(wrapper, StatementObserver) for wrapper in self.execute_wrappers):
            declare(dependency, "sql", *OPERATIONS)
            self.execute_wrappers.insert(0, StatementObserver(self))
        start_ns, start = time_ns(), perf_counter_ns()
        try:
            original(self)
        except Exception as exc:
            _failed_connect(self, exc, start_ns, perf_counter_ns() - start)
            raise
        observe_call(dependency, "sql", "connect", OK, (perf_counter_ns() - start) / 1e9)

    connect.__telemetry__ = True  # type: ignore[attr-defined]
    BaseDatabaseWrapper.connect = connect  # type: ignore[method-assign]


@guarded("traces")
def _failed_connect(connection: BaseDatabaseWrapper, exc: Exception, start_ns: int, elapsed: int) -> None:
    """Record a failed connect. A successful one has no span, but the trace must show a failure."""
    dependency = _SYSTEMS.get(connection.vendor, connection.vendor)
    observe_call(dependency, "sql", "connect", _outcome(exc), elapsed / 1e9)
    end_ns = start_ns + elapsed
    parent = trace.get_current_span().get_span_context()
    if not parent.is_valid:
        return
    attributes = {**connection_attributes(connection), "error.type": type(exc.__cause__ or exc).__qualname__}
    span = get_tracing().start("connect", SpanKind.CLIENT, parent, start_ns)
    if span.is_recording():
        span.set_attributes(attributes)
        exception_event(span, exc)
        span.set_status(StatusCode.ERROR, type(exc).__qualname__)
        span.end(end_ns)
        return
    work = current_work()
    if work is not None:
        work.remember(
            Remembered(
                span.get_span_context(),
                parent,
                "connect",
                SpanKind.CLIENT,
                start_ns,
                end_ns,
                attributes,
                StatusCode.ERROR,
                type(exc).__qualname__,
            )
        )


class PoolCollector(Collector):
    """Reads psycopg's pools (Django's OPTIONS["pool"]) at scrape time. Without a pool it yields no series."""

    def collect(self) -> Iterable[Metric]:
        try:
            from django.db.backends.postgresql.base import DatabaseWrapper
        except Exception:  # psycopg isn't installed; Django raises ImproperlyConfigured
            return []
        pools = getattr(DatabaseWrapper, "_connection_pools", {})
        families: dict[str, Metric] = {
            "db_pool_connections": GaugeMetricFamily(
                "db_pool_connections", "Connections in the pool by state.", labels=["alias", "state"]
            ),
            "db_pool_max_connections": GaugeMetricFamily(
                "db_pool_max_connections", "Upper bound of the pool.", labels=["alias"]
            ),
            "db_pool_requests_waiting": GaugeMetricFamily(
                "db_pool_requests_waiting", "Threads that wait for a connection now.", labels=["alias"]
            ),
            "db_pool_requests": CounterMetricFamily(
                "db_pool_requests", "Connections asked for, and how it went.", labels=["alias", "result"]
            ),
            "db_pool_wait_seconds": CounterMetricFamily(
                "db_pool_wait_seconds", "Total time that threads waited for a connection.", labels=["alias"]
            ),
        }
        for alias, pool in list(pools.items()):
            try:
                stats = pool.get_stats()
            except Exception:  # the other pools are not affected
                internal_error("metrics", "the state of a connection pool")
                continue
            size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
            add = families["db_pool_connections"].add_metric  # type: ignore[attr-defined]
            add([alias, "used"], size - idle)
            add([alias, "idle"], idle)
            families["db_pool_max_connections"].add_metric([alias], stats.get("pool_max", 0))  # type: ignore[attr-defined]
            families["db_pool_requests_waiting"].add_metric(  # type: ignore[attr-defined]
                [alias], stats.get("requests_waiting", 0)
            )
            requests = families["db_pool_requests"].add_metric  # type: ignore[attr-defined]
            errors = stats.get("requests_errors", 0)
            requests([alias, "ok"], stats.get("requests_num", 0) - errors)
            requests([alias, "error"], errors)
            families["db_pool_wait_seconds"].add_metric(  # type: ignore[attr-defined]
                [alias], stats.get("requests_wait_ms", 0) / 1000
            )
        return families.values() if pools else []
