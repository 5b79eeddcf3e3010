"""The database edge, with PostgreSQL and a pool when TEST_DATABASE_URL is set, else with SQLite."""

from __future__ import annotations

import threading

import django
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test import Client
from django_telemetry import orm
from django_telemetry.context import unit_of_work
from django_telemetry.db import describe
from opentelemetry.trace import SpanKind, StatusCode
from platform_testing.polling import eventually

from .harness import MemoryProcessor, grown, sample, threads_at_work

VENDOR = connection.vendor
needs_a_pool = pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has a pool of its own since 5.1")


@pytest.mark.parametrize(
    ("sql", "operation", "summary", "text"),
    [
        ('SELECT "a"."id" FROM "auth_user" "a" WHERE x = %s', "SELECT", "SELECT auth_user", None),
        ("select 1", "SELECT", "SELECT", "select ?"),
        ("INSERT INTO t (a) VALUES ('secret''s', 12.5)", "INSERT", "INSERT t", "INSERT INTO t (a) VALUES (?, ?)"),
        ("UPDATE ONLY t SET a = $$hidden$$", "UPDATE", "UPDATE t", "UPDATE ONLY t SET a = ?"),
        ("/* note */ DELETE FROM t", "DELETE", "DELETE t", "/* */ DELETE FROM t"),
        ("SAVEPOINT s", "other", "SAVEPOINT", None),
        ("(SELECT a FROM b) UNION (SELECT 1)", "SELECT", "SELECT b", "(SELECT a FROM b) UNION (SELECT ?)"),
        ("", "other", "OTHER", ""),
        ("-- c\nSELECT a FROM b", "SELECT", "SELECT b", "--\nSELECT a FROM b"),
    ],
)
def test_a_statement_is_described_without_its_literals(
    sql: str, operation: str, summary: str, text: str | None
) -> None:
    assert describe(sql, "postgresql")[:3] == (operation, summary, sql if text is None else text)


@pytest.mark.django_db
def test_a_query_creates_a_span_and_an_edge_sample(http: Client, spans: MemoryProcessor) -> None:
    labels = {"dependency": VENDOR, "protocol": "sql", "operation": "SELECT", "outcome": "ok"}
    with grown("dependency_call_duration_seconds_count", **labels):
        http.get("/query")
    server, query = spans.named("GET query"), spans.named("SELECT auth_user")
    assert query.kind is SpanKind.CLIENT
    assert query.parent is not None
    assert server.context is not None
    assert query.parent.span_id == server.context.span_id
    attributes = dict(query.attributes or {})
    assert attributes["db.system.name"] == VENDOR
    assert attributes["db.query.summary"] == "SELECT auth_user"
    assert attributes["db.query.text"] == "SELECT count(*) FROM auth_user WHERE username = %s"
    assert attributes["peer.service"] == VENDOR
    assert "someone" not in str(attributes)


@pytest.mark.django_db
def test_rows_are_counted_by_model_without_a_mixin(spans: MemoryProcessor) -> None:
    with grown("django_model_inserts_total", 4, model="auth.user"), unit_of_work("job"):
        User.objects.create(username="a")
        User.objects.bulk_create([User(username=name) for name in "bcd"])
    with grown("django_model_updates_total", 4, model="auth.user"):
        User.objects.update(first_name="x")
    with grown("django_model_deletes_total", 3, model="auth.user"):
        User.objects.filter(username__in="abc").delete()
    assert sample("django_model_deletes_total", model="auth.permission") == 0


@pytest.mark.django_db(transaction=True)
def test_migrations_are_read_in_the_background() -> None:
    stop = orm.watch_migrations()
    try:
        eventually(
            lambda: sample("django_migrations_applied_total", connection="default"),
            "the applied migrations to be counted",
            accept=lambda actual: actual > 0,
        )
        assert sample("django_migrations_unapplied_total", connection="default") == 0
    finally:
        stop.set()


@pytest.mark.django_db
def test_django_prometheus_counts_the_same_statement(http: Client) -> None:
    with grown("django_db_execute_total", alias="default", vendor=VENDOR):
        http.get("/query")


@pytest.mark.django_db
def test_statements_outside_of_any_work_have_a_sample_but_no_span(spans: MemoryProcessor) -> None:
    labels = {"dependency": VENDOR, "protocol": "sql", "operation": "SELECT", "outcome": "ok"}
    with grown("dependency_call_duration_seconds_count", **labels):
        User.objects.count()
    assert spans.spans == []


@pytest.mark.django_db
def test_a_constraint_violation_is_an_answer_and_not_an_edge_failure(spans: MemoryProcessor) -> None:
    User.objects.create(username="one")
    labels = {"dependency": VENDOR, "protocol": "sql", "operation": "INSERT"}
    with (
        grown("dependency_call_duration_seconds_count", outcome="ok", **labels),
        grown("dependency_call_duration_seconds_count", 0, outcome="error", **labels),
        unit_of_work("job"),
        pytest.raises(IntegrityError),
        transaction.atomic(),
    ):
        User.objects.create(username="one")
    insert = spans.named("INSERT auth_user")
    assert insert.status.status_code is StatusCode.ERROR
    assert "one" not in str([dict(event.attributes or {})["exception.message"] for event in insert.events])


@pytest.mark.django_db
def test_an_unreachable_database_is_refused_and_visible_in_the_trace(
    spans: MemoryProcessor, postgresql_url: str
) -> None:
    from .harness import free_port

    settings = {**connection.settings_dict, "PORT": free_port(), "OPTIONS": {"connect_timeout": 2}}
    broken = type(connections["default"])(settings, "broken")
    labels = {"dependency": "postgresql", "protocol": "sql", "operation": "connect", "outcome": "refused"}
    with (
        grown("dependency_call_duration_seconds_count", **labels),
        unit_of_work("job"),
        pytest.raises(OperationalError),
    ):
        broken.ensure_connection()
    assert spans.named("connect").status.status_code is StatusCode.ERROR


@pytest.mark.django_db
@needs_a_pool
def test_the_pool_metrics_show_its_size_and_waiting_requests(postgresql_url: str) -> None:
    connection.ensure_connection()
    assert sample("db_pool_connections", alias="default", state="used") >= 1
    assert sample("db_pool_max_connections", alias="default") == 3
    assert sample("db_pool_requests_total", alias="default", result="ok") >= 1


@pytest.mark.django_db(transaction=True)
@needs_a_pool
def test_an_exhausted_pool_is_a_timeout_of_the_edge(postgresql_url: str) -> None:
    held, release = threading.Barrier(4), threading.Event()

    def hold(_number: int) -> None:
        try:
            connections["default"].ensure_connection()
            held.wait(10)
            release.wait(10)
        finally:
            connections["default"].close()

    connection.close()
    labels = {"dependency": "postgresql", "protocol": "sql", "operation": "connect", "outcome": "timeout"}
    with threads_at_work(3, hold):
        held.wait(10)
        try:
            with grown("dependency_call_duration_seconds_count", **labels), pytest.raises(OperationalError):
                connection.ensure_connection()
        finally:
            release.set()
