"""The database edge: spans, the edge metric and pool gauges, for every Django database engine.

Django's own hook (connection.execute_wrappers) receives each statement separately from its parameters, for every
engine, with or without django-prometheus, and costs less than wrapping cursors again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from time import perf_counter_ns, time_ns
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from . import _cursors, orm
from ._ids import hex_ids
from ._span import Template, finish
from ._work import Remembered, current_work
from .edges import ERROR, OK, REFUSED, TIMEOUT, declare, observe_call
from .tracing import exception_event, get_tracing

# Django's vendor names mapped to those of the semantic conventions.
_SYSTEMS = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite", "oracle": "oracle.db"}
OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "connect", "other")

_LITERALS = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$|\b\d+(?:\.\d+)?\b")
_TARGET = re.compile(r'(?:FROM|INTO|UPDATE|JOIN|TABLE)\s+(?:ONLY\s+)?((?:"[^"]{1,64}"|`[^`]{1,64}`|[\w.]{1,64}))', re.I)
_LEADING = re.compile(r"^(?:\s|/\*[\s\S]*?\*/|--[^\n]*\n|\()*")
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
MAX_STATEMENT = 1024
# Per connection. A bound is needed because each statement with literals counts as a new one.
MAX_TEMPLATES = 512
MAX_CACHED_SQL = 4096


@lru_cache(maxsize=2048)
def describe(sql: str) -> tuple[str, str, str, str]:
    """(operation, summary, text, table): the verb, verb and table, the SQL without literals, and the table."""
    body = sql[_LEADING.match(sql).end() :] if _LEADING.match(sql) else sql  # type: ignore[union-attr]
    verb = (body.split(None, 1) or ["other"])[0].upper()[:32]
    target = _TARGET.search(sql)
    table = target.group(1).strip('"`') if target else ""
    operation = verb if verb in OPERATIONS else "other"
    return operation, f"{verb} {table}".strip(), _LITERALS.sub("?", sql[:MAX_STATEMENT]), table


def _outcome(exc: BaseException) -> str:
    """The edge outcome of a database exception. Django keeps the driver's exception as its cause."""
    cause = exc.__cause__ or exc
    name = type(cause).__name__
    if (
        name in ("QueryCanceled", "PoolTimeout", "ConnectionTimeout", "LockNotAvailable")
        or "timeout" in str(cause)[:200]
    ):
        return TIMEOUT
    if name in ("ConnectionFailure", "AdminShutdown", "CrashShutdown", "CannotConnectNow", "TooManyConnections"):
        return REFUSED
    if name in ("OperationalError", "InterfaceError", "PoolClosed"):
        return REFUSED
    return ERROR


def _is_answer(exc: BaseException) -> bool:
    """Whether the exception is the answer of a working database: a violated constraint, or rejected data or SQL."""
    name = type(exc).__name__
    return name in ("IntegrityError", "DataError", "ProgrammingError", "NotSupportedError")


class StatementObserver:
    """An execute wrapper for one connection: one time measurement, edge sample and span per statement."""

    __slots__ = ("_attributes", "_dependency", "_templates")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._dependency = _SYSTEMS.get(connection.vendor, connection.vendor)
        self._attributes = connection_attributes(connection)
        self._templates: dict[str, Template] = {}

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else str(sql)
        operation, summary, statement, table = describe(text)
        parent = trace.get_current_span().get_span_context()
        if not parent.is_valid:
            # Outside of any unit of work (migrations, a shell) there is no trace to add a span to.
            return self._timed_only(execute, sql, params, many, context, operation, table)
        start_ns, start = time_ns(), perf_counter_ns()
        span = get_tracing().start(summary, SpanKind.CLIENT, parent, start_ns)
        outcome, error = OK, None
        try:
            result = execute(sql, params, many, context)
            if operation in _WRITES:
                orm.count(operation, table, context["cursor"], text)
            return result
        except Exception as exc:
            error = exc
            outcome = OK if _is_answer(exc) else _outcome(exc)
            raise
        finally:
            elapsed = perf_counter_ns() - start
            recording = span.is_recording()
            span_context = span.get_span_context()
            ids = hex_ids(span_context) if recording else None
            observe_call(self._dependency, "sql", operation, outcome, elapsed / 1e9, ids)
            if recording:
                if error is not None:
                    exception_event(span, error)
                    span.set_status(StatusCode.ERROR, type(error).__qualname__)
                finish(span, self._template(text, operation, summary, statement, error), {}, start_ns + elapsed)
            else:
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

    def _timed_only(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: dict[str, Any],
        operation: str,
        table: str,
    ) -> Any:
        start = perf_counter_ns()
        outcome = OK
        try:
            result = execute(sql, params, many, context)
            if operation in _WRITES:
                orm.count(operation, table, context["cursor"], str(sql))
            return result
        except Exception as exc:
            outcome = OK if _is_answer(exc) else _outcome(exc)
            raise
        finally:
            observe_call(self._dependency, "sql", operation, outcome, (perf_counter_ns() - start) / 1e9)

    def _template(
        self, sql: str, operation: str, summary: str, statement: str, error: BaseException | None
    ) -> Template:
        """The template that all spans of a statement share; cached, bounded by MAX_TEMPLATES."""
        template = self._templates.get(sql) if error is None else None
        if template is None:
            template = Template(summary, self._span_attributes(operation, summary, statement, error))
            if error is None and len(sql) <= MAX_CACHED_SQL:
                if len(self._templates) >= MAX_TEMPLATES:
                    self._templates.clear()
                self._templates[sql] = template
        return template

    def _span_attributes(
        self, operation: str, summary: str, statement: str, error: BaseException | None
    ) -> dict[str, Any]:
        attributes = {**self._attributes, "db.query.summary": summary, "db.query.text": statement}
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

    def connect(self: BaseDatabaseWrapper) -> None:
        dependency = _SYSTEMS.get(self.vendor, self.vendor)
        if not any(isinstance(wrapper, StatementObserver) for wrapper in self.execute_wrappers):
            declare(dependency, "sql", *OPERATIONS)
            self.execute_wrappers.insert(0, StatementObserver(self))
        start_ns, start = time_ns(), perf_counter_ns()
        try:
            original(self)
        except Exception as exc:
            elapsed = perf_counter_ns() - start
            observe_call(dependency, "sql", "connect", _outcome(exc), elapsed / 1e9)
            _failed_connect_span(self, exc, start_ns, start_ns + elapsed)
            raise
        observe_call(dependency, "sql", "connect", OK, (perf_counter_ns() - start) / 1e9)

    connect.__telemetry__ = True  # type: ignore[attr-defined]
    BaseDatabaseWrapper.connect = connect  # type: ignore[method-assign]


def _failed_connect_span(connection: BaseDatabaseWrapper, exc: Exception, start_ns: int, end_ns: int) -> None:
    """Record a span for a failed connect. A successful one has no span, but the trace must show a failure."""
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
            stats = pool.get_stats()
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
