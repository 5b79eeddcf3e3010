"""Statements are shown without their values. Real databases prove that the generated statements are what they seem."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django_telemetry import _sql
from django_telemetry.context import unit_of_work
from django_telemetry.db import MAX_STATEMENT, describe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import Everything, MemoryProcessor
from .statements import DIALECTS, DIGITS, GENERATED, SECRET, Statement, literals, statements

_VALUES = (SECRET, DIGITS)


def _check(statement: Statement) -> None:
    operation, summary, text, _ = describe.__wrapped__(statement.sql, statement.dialect)
    assert (operation, summary) == ("SELECT", "SELECT")
    assert text == statement.shown[:MAX_STATEMENT]
    assert not any(value in text for value in _VALUES)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_value_is_left_and_the_structure_stays(dialect: str) -> None:
    @GENERATED
    @given(statements(dialect))
    def check(statement: Statement) -> None:
        _check(statement)

    check()


def test_sqlite_reads_the_generated_statements_in_the_same_way() -> None:
    database = sqlite3.connect(":memory:")

    @GENERATED
    @given(statements("sqlite"))
    def check(statement: Statement) -> None:
        row = database.execute(statement.sql).fetchone()
        assert [value for value in row if isinstance(value, str)] == statement.values

    check()
    database.close()


@pytest.mark.django_db
def test_postgresql_reads_the_generated_statements_in_the_same_way(postgresql_url: str) -> None:
    @settings(GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(statements("postgresql"))
    def check(statement: Statement) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement.sql)
            row = cursor.fetchone()
        assert [value for value in row if isinstance(value, str)] == statement.values

    check()


@GENERATED
@given(st.data(), st.sampled_from(DIALECTS), st.integers(0, 300))
def test_a_cut_never_divides_a_literal(data: st.DataObject, dialect: str, limit: int) -> None:
    statement = data.draw(statements(dialect))
    text = _sql.without_values(statement.sql, dialect, limit, lambda _: False)
    assert text == statement.shown[:limit]


@GENERATED
@given(st.data(), st.sampled_from(DIALECTS))
def test_a_literal_or_comment_without_an_end_hides_the_rest(data: st.DataObject, dialect: str) -> None:
    opened = data.draw(st.sampled_from(["'", "/* "]))
    sql = f"SELECT 1, {opened}{SECRET}"
    text = _sql.without_values(sql, dialect, 1024, lambda _: False)
    assert text == f"SELECT ?, {'?' if opened == chr(39) else '/* */'}"


@pytest.mark.parametrize(
    ("dialect", "sql", "text"),
    [
        ("postgresql", "SELECT 0x1F, 0b11, 1_000, 1.5e-10, .5, 1E5, a1, $1, x[2:3]",
         "SELECT ?, ?, ?, ?, .?, ?, a1, $1, x[?:?]"),
        ("postgresql", "SELECT B'0101', X'1F', x'1f' || E'a\\'b', date '2020-01-02', interval'1 d'",
         "SELECT ?, ?, ? || ?, date ?, interval?"),
        ("postgresql", "SELECT 1E'it\\'s hunter', $1$$hunter$$, 1$$hunter$$", "SELECT ?, ?, ?"),
        ("postgresql", "SELECT xE'C:\\', 'b'", "SELECT xE?, ?"),
        ("postgresql", "SELECT a$$b, 'c' FROM t$x$ WHERE \"it's\" = %s AND b = %(b)s",
         "SELECT a$$b, ? FROM t$x$ WHERE \"it's\" = %s AND b = %(b)s"),
        ("postgresql", "SELECT U&\"d\\0061t\" , U&'d' UESCAPE '!'", "SELECT U&\"d\\0061t\" , ? UESCAPE ?"),
        ("postgresql-backslashes", "SELECT 'it\\'s hunter', 'b'", "SELECT ?, ?"),
        ("mysql", "SELECT 5--3, x'4D', 0x4D, _utf8mb4'hunter', `it's`.`b`, @a1 -- hunter",
         "SELECT ?--?, ?, ?, _utf8mb4?, `it's`.`b`, @a1 --"),
        ("mysql", "SELECT 1 /*!50000 , 'a*/hunter' */", "SELECT ? /* */"),
        ("mysql-plain", "SELECT 'C:\\', \"D:\\\", 'hunter'", "SELECT ?, ?, ?"),
        ("sqlite", "SELECT [it's], `it's`, x'1f', ?1, :name, @a, 'hunter''s'",
         "SELECT [it's], `it's`, ?, ?1, :name, @a, ?"),
        ("sqlite", 'SELECT "username", "a"."b" AS "c" FROM "t" WHERE "username" = "hunter" ORDER BY "c"',
         'SELECT "username", "a"."b" AS "c" FROM "t" WHERE "username" = ? ORDER BY "c"'),
        ("sqlite", 'CREATE TABLE "t" ("a" integer DEFAULT "hunter", "b" text)',
         'CREATE TABLE "t" ("a" integer DEFAULT ?, "b" text)'),
        ("oracle", "SELECT q'[it's]', Nq'!it's!', n'x', :1 FROM \"it's\"", "SELECT ?, ?, ?, :1 FROM \"it's\""),
        ("microsoft", "SELECT [it's], N'hunter' -- hunter\nFROM t", "SELECT [it's], ? --\nFROM t"),
    ],
)  # fmt: skip
def test_the_special_forms_of_the_dialects(dialect: str, sql: str, text: str) -> None:
    assert describe(sql, dialect)[2] == text


@pytest.mark.parametrize(
    ("sql", "operation", "summary"),
    [
        ("SELECT ' FROM hunter'", "SELECT", "SELECT"),
        ("/* FROM hunter */ SELECT 1", "SELECT", "SELECT"),
        ("SELECT a FROM/**/\"app\".\"t\"", "SELECT", "SELECT app.t"),
        ("hunter2planted SELECT 1", "other", "OTHER"),
        ("SELECT'hunter'", "SELECT", "SELECT"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "INSERT", "INSERT t"),
        ("WITH removed AS (DELETE FROM t RETURNING *) SELECT count(*) FROM removed", "DELETE", "DELETE t"),
        ("WITH RECURSIVE a (n) AS (SELECT 1 UNION SELECT n FROM a) SELECT n FROM a", "SELECT", "SELECT a"),
        ("COPY t (a, b) FROM STDIN", "COPY", "COPY t"),
        ("COPY (SELECT a FROM t) TO STDOUT", "COPY", "COPY t"),
        ("CALL p(1)", "CALL", "CALL p"),
        ("MERGE INTO t USING s ON true", "other", "MERGE t"),
    ],
)  # fmt: skip
def test_the_summary_has_the_verb_and_the_table(sql: str, operation: str, summary: str) -> None:
    assert describe(sql, "postgresql")[:2] == (operation, summary)


@GENERATED
@given(st.sampled_from(DIALECTS), st.text(max_size=60))
def test_every_text_is_read_to_its_end(dialect: str, text: str) -> None:
    assert describe.__wrapped__(text, dialect)[1]


@pytest.mark.django_db
def test_literals_and_comments_of_executed_statements_are_in_no_signal(everything: Everything) -> None:
    @settings(GENERATED, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(statements(connection.vendor), literals(connection.vendor))
    def check(statement: Statement, _: Any) -> None:
        with unit_of_work("job"), connection.cursor() as cursor:
            cursor.execute(statement.sql)

    check()
    everything.check(*_VALUES, said=("traces", "metrics"))


def _composed(execute: Callable[[Any], Any]) -> None:
    from psycopg import sql

    execute(
        sql.SQL("INSERT INTO {} (username, password) VALUES ({}, {})").format(
            sql.Identifier("hunters"), sql.Literal(f'{SECRET}\'s "son"'), sql.Literal(8675309)
        )
    )


@pytest.mark.django_db
def test_composed_statements_are_described_like_texts(postgresql_url: str, spans: MemoryProcessor) -> None:
    with unit_of_work("job"), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE hunters (username text, password text)")
        _composed(cursor.execute)
    attributes = dict(spans.named("INSERT hunters").attributes or {})
    assert attributes["db.query.text"] == 'INSERT INTO "hunters" (username, password) VALUES (?, ?)'
    assert attributes["db.operation.name"] == "INSERT"


@pytest.mark.django_db
def test_statements_of_bytes_are_described_like_texts(postgresql_url: str, spans: MemoryProcessor) -> None:
    with unit_of_work("job"), connection.cursor() as cursor:
        execute: Callable[[Any], Any] = cursor.execute
        execute(f"SELECT count(*) FROM auth_user WHERE username = '{SECRET}'".encode())
    attributes = dict(spans.named("SELECT auth_user").attributes or {})
    assert attributes["db.query.text"] == "SELECT count(*) FROM auth_user WHERE username = ?"


@pytest.mark.django_db
def test_a_statement_that_cannot_be_rendered_has_no_text(spans: MemoryProcessor) -> None:
    class Unknown:
        def __str__(self) -> str:
            return SECRET

    with unit_of_work("job"), connection.cursor() as cursor:
        execute: Callable[[Any], Any] = cursor.execute
        with pytest.raises(Exception):  # noqa: B017
            execute(Unknown())
    assert "db.query.text" not in dict(spans.named("OTHER").attributes or {})


@pytest.mark.django_db
def test_backslashes_are_read_as_the_session_reads_them(postgresql_url: str, spans: MemoryProcessor) -> None:
    with unit_of_work("job"), connection.cursor() as cursor:
        cursor.execute("SELECT 'C:\\', 'b'")
        cursor.execute("SET LOCAL standard_conforming_strings = off; SET LOCAL escape_string_warning = off")
        cursor.execute(f"SELECT 'it\\', {SECRET}', 'b'")
        cursor.execute("SET LOCAL standard_conforming_strings = on")
    texts = [dict(span.attributes or {}).get("db.query.text") for span in spans.spans if span.name == "SELECT"]
    assert texts == ["SELECT ?, ?", "SELECT ?, ?"]
