"""Values that a database quotes in its errors are in no signal, and the errors stay readable.

Real databases raise the errors, from statements with generated parameters.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import Error, IntegrityError, connection, transaction
from django.db.utils import ConnectionHandler
from django_telemetry import _database_errors
from django_telemetry.context import unit_of_work
from django_telemetry.redaction import redact_exception, redact_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import Everything, MemoryProcessor
from .statements import GENERATED, SECRET, secrets

SHORT = "xzq"  # fits into three characters

logger = logging.getLogger("tests.database")

# Each fails with a parameter that PostgreSQL quotes, or that is a part of something that it quotes.
TYPES = (
    *("integer", "bigint", "smallint", "numeric", "real", "date", "time", "timestamptz", "interval", "uuid", "inet"),
    *("cidr", "macaddr", "json", "jsonb", "jsonpath", "boolean", "point", "box", "circle", "int[]", "int4range"),
    *("daterange", "regclass", "regtype", "regproc", "regrole", "oid", "tid", "pg_lsn", "bit(3)", "money"),
    "mood",
)
POSTGRESQL = (
    *(f"SELECT %s::{name}" for name in TYPES),
    "SELECT 1 FROM people WHERE age = %s",
    "SELECT 1 FROM people WHERE age = %s AND name = %s",
    "INSERT INTO people (name, age) VALUES (%s, 5), (%s, 5)",
    "INSERT INTO people (name, age) VALUES (%s, -1)",
    "INSERT INTO people (name, age) VALUES (%s, NULL)",
    "INSERT INTO people (name, age, friend) VALUES (%s, 1, 4242)",
    "INSERT INTO people (name, age, short) VALUES ('a', 1, %s)",
    "INSERT INTO people (name, age, small) VALUES ('a', 1, %s)",
    "INSERT INTO parts (name) VALUES (%s)",
    "SELECT to_date(%s, 'YYYY-MM')",
    "SELECT to_number(%s, '999') / 0",
    "SELECT 'a' ~ ('(' || %s)",
    "SELECT set_config(%s, 'x', true)",
    "SELECT set_config('DateStyle', %s, true)",
    "SELECT set_config('work_mem', %s, true)",
    "SELECT (%s || ' & | !')::tsquery",
    "SELECT nextval(%s)",
    "SELECT decode(%s, 'hex')",
    "SELECT encode('a', %s)",
    "SELECT convert_to('a', %s)",
    "SELECT to_tsvector(%s::regconfig, 'a')",
    "SELECT '{}'::jsonb @? %s::jsonpath",
    "SELECT raising(%s)",
    "SELECT raising_as_check(%s)",
    "SELECT dynamic(%s)",
    "SELECT CAST(%s || '' AS integer)",
    "SELEC %s",
    "SELECT %s %s",
    "SELECT 1 FROM people WHERE name = %s GROUP",
    "SELECT 1 FROM nowhere WHERE name = %s",
    "SELECT absent FROM people WHERE name = %s",
    "SELECT missing_function(%s)",
    "SELECT 'a' LIKE 'b' ESCAPE %s",
    "SELECT has_table_privilege(%s, 'people', 'SELECT')",
    "SELECT date_trunc(%s, now())",
    "SELECT extract(epoch FROM %s::timestamp)",
    "SELECT array_fill(1, ARRAY[%s]::int[])",
    "SELECT * FROM json_to_recordset(%s) AS x (a int)",
    "SELECT xmlparse(DOCUMENT %s)",
)  # fmt: skip
SETUP = """
    CREATE TYPE mood AS ENUM ('good');
    CREATE DOMAIN small_text AS text CONSTRAINT small_text_is_small CHECK (length(value) < 3);
    CREATE TABLE people (
        id serial PRIMARY KEY, name text NOT NULL CONSTRAINT people_name_unique UNIQUE, age integer NOT NULL
        CONSTRAINT people_age_positive CHECK (age >= 0), short varchar(3), small small_text,
        friend integer CONSTRAINT people_friend_exists REFERENCES people (id)
    );
    CREATE TABLE parts (name text) PARTITION BY LIST (name);
    CREATE FUNCTION raising(text) RETURNS text AS
        $$ BEGIN RAISE EXCEPTION 'no %', $1 USING DETAIL = $1, HINT = $1; END $$ LANGUAGE plpgsql;
    CREATE FUNCTION raising_as_check(text) RETURNS text AS
        $$ BEGIN RAISE EXCEPTION 'no %', $1 USING ERRCODE = '23514'; END $$ LANGUAGE plpgsql;
    CREATE FUNCTION dynamic(text) RETURNS text AS
        $$ BEGIN EXECUTE 'SELECT ' || quote_literal($1) || '::integer'; RETURN 'a'; END $$ LANGUAGE plpgsql;
"""


@pytest.fixture
def people(postgresql_url: str, db: None) -> None:
    """Tables and functions for failing statements."""
    with connection.cursor() as cursor:
        cursor.execute(SETUP)


@contextmanager
def _failing() -> Iterator[None]:
    """Fail in a unit of work, and let careless code quote the error in every way."""
    failed = False
    with suppress(RuntimeError), unit_of_work("job"):
        try:
            with transaction.atomic():
                yield
        except Error as exc:
            failed = True
            logger.error("failed: %s", exc)
            logger.error(str(exc))
            quoted, shown = f"failed: {exc!r}", f"failed: {exc}"
            logger.error(quoted, exc_info=exc)
            logger.warning("failed: %s", exc, extra={"reason": str(exc), "order.cause": exc})
            logger.warning(shown)
            exc.add_note(f"while {exc}")
            raise RuntimeError(f"job failed: {exc}") from exc
    assert failed, "the statement did not fail"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("statement", POSTGRESQL)
def test_parameters_that_postgresql_quotes_are_in_no_signal(everything: Everything, statement: str) -> None:
    @settings(GENERATED, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(secrets(), min_size=1, max_size=1))
    def check(values: list[str]) -> None:
        value = values[0].replace("\x00", "")
        with _failing(), connection.cursor() as cursor:
            cursor.execute(statement, [value] * statement.count("%s"))

    check()
    everything.check(SECRET, said=("traces", "logs", "errors"))


@pytest.mark.usefixtures("people")
def test_rows_of_a_failing_copy_are_in_no_signal(everything: Everything) -> None:
    with _failing(), connection.cursor() as cursor:
        copy: Any = cursor.copy
        try:
            with copy("COPY people (name, age) FROM STDIN") as rows:
                rows.write_row((SECRET, f"{SECRET} years"))
        except Exception as exc:
            raise Error(str(exc)) from exc
    everything.check(SECRET, said=("traces", "logs", "errors"))


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT 1 FROM people WHERE age = 'hunter'", 'invalid input syntax for type integer: "[redacted]"'),
        ("INSERT INTO people (name, age) VALUES ('a)=(b', 1), ('a)=(b', 1)",
         'duplicate key value violates unique constraint "people_name_unique"\n'
         "DETAIL:  Key (name)=([redacted]) already exists."),
        ("INSERT INTO people (name, age) VALUES ('a', -1)",
         'new row for relation "people" violates check constraint "people_age_positive"\n'
         "DETAIL:  Failing row contains ([redacted])."),
        ("INSERT INTO people (name, age) VALUES ('a', NULL)",
         'null value in column "age" of relation "people" violates not-null constraint\n'
         "DETAIL:  Failing row contains ([redacted])."),
        ("INSERT INTO people (name, age, friend) VALUES ('a', 1, 4242)",
         'insert or update on table "people" violates foreign key constraint "people_friend_exists"\n'
         'DETAIL:  Key (friend)=([redacted]) is not present in table "people".'),
        ("INSERT INTO people (name, age, short) VALUES ('a', 1, 'hunter')",
         "value too long for type character varying(3)"),
        ("INSERT INTO people (name, age, small) VALUES ('a', 1, 'hunter')",
         'value for domain small_text violates check constraint "small_text_is_small"'),
        ("SELECT absent FROM people", 'column "absent" does not exist'),
        ("SELECT 1 FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELECT 'nowhere'::regclass", 'relation "[redacted]" does not exist'),
        ("SELECT missing('a')", "function missing(unknown) does not exist"),
        ("SELECT 'hunter' 'a'", 'syntax error at or near "[redacted]"'),
        ("SELECT chr(1114112)", "requested character too large for encoding: ?"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT raising('hunter')", "[redacted] (SQLSTATE P0001)"),
    ],
)  # fmt: skip
def test_errors_of_postgresql_stay_readable(spans: MemoryProcessor, statement: str, text: str) -> None:
    with pytest.raises(Error) as caught, unit_of_work("job"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert redact_exception(caught.value)[0] == text
    client = next(span for span in spans.spans if span.events and span.name != "job")
    assert [(event.attributes or {})["exception.message"] for event in client.events] == [text]


@pytest.mark.usefixtures("people")
def test_an_error_at_commit_is_cleaned_too(everything: Everything) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE people ADD CONSTRAINT later UNIQUE (short) DEFERRABLE INITIALLY DEFERRED")
    with _failing(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO people (name, age, short) VALUES ('a', 1, %s), ('b', 1, %s)", [SHORT, SHORT])
        connection.check_constraints()
    everything.check(SHORT, said=("traces", "logs", "errors"))


@pytest.fixture
def sqlite(db: None) -> Iterator[Any]:
    """A connection to an SQLite database in memory."""
    handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    opened = handler["default"]
    opened.inc_thread_sharing()
    with opened.cursor() as cursor:
        cursor.execute("CREATE TABLE people (name text NOT NULL UNIQUE, age integer CHECK (age >= 0))")
    yield opened
    opened.close()


SQLITE = (
    "INSERT INTO people VALUES (%s, 1), (%s, 1)",
    "INSERT INTO people VALUES (%s, -1)",
    "INSERT INTO people VALUES (NULL, %s)",
    "SELECT json(%s)",
    "SELECT json_extract('{}', %s)",
    "SELEC %s",
    "SELECT 1 FROM nowhere WHERE name = %s",
    "SELECT absent FROM people WHERE name = %s",
    "SELECT missing_function(%s)",
    "SELECT 'a' LIKE 'b' ESCAPE %s",
    "SELECT {planted}",
    "SELECT {planted} FROM people",
    "SELECT 1 FROM {planted}",
    "SELECT 1 WHERE {planted} ~",
)


@pytest.mark.parametrize("statement", SQLITE)
def test_values_that_sqlite_quotes_are_in_no_signal(everything: Everything, sqlite: Any, statement: str) -> None:
    @settings(GENERATED, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(secrets())
    def check(value: str) -> None:
        sql, values = statement, [value] * statement.count("%s")
        if "{planted}" in sql:
            sql = sql.replace("{planted}", "'" + value.replace("'", "''").replace("%", "%%"))
        with suppress(RuntimeError), unit_of_work("job"), sqlite.cursor() as cursor:
            try:
                cursor.execute(sql, values)
            except Error as exc:
                logger.error("failed: %s", exc)
                shown = f"failed: {exc}"
                logger.warning(shown)
                raise RuntimeError(f"job failed: {exc}") from exc

    check()
    everything.check(SECRET, said=("traces", "metrics"))


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("INSERT INTO people VALUES ('a', 1), ('a', 1)", "UNIQUE constraint failed: people.name"),
        ("INSERT INTO people VALUES (NULL, 1)", "NOT NULL constraint failed: people.name"),
        ("SELECT absent FROM people", "no such column: absent"),
        ("SELECT 1 FROM nowhere", "no such table: nowhere"),
        ("SELECT FROM people", 'near "FROM": syntax error'),
        ("SELECT 1 FROM people 'hunter'", None),
        ("SELECT json('hunter')", "malformed JSON"),
    ],
)
def test_errors_of_sqlite_stay_readable(sqlite: Any, statement: str, text: str | None) -> None:
    with sqlite.cursor() as cursor:
        if text is None:
            cursor.execute(statement)
            return
        with pytest.raises(Error) as caught:
            cursor.execute(statement)
    assert redact_exception(caught.value)[0] == text


class _MySqlError(Exception):
    """An exception as MySQL's drivers raise it: number and text."""

    __module__ = "MySQLdb"


# As MySQL 8.4 and MariaDB 10.11 write them.
MYSQL = [
    (1062, "Duplicate entry '{}' for key 'people.name'", "Duplicate entry '[redacted]' for key 'people.name'"),
    (1366, "Incorrect integer value: '{}' for column 'age' at row 1",
     "Incorrect integer value: '[redacted]' for column 'age' at row 1"),
    (1366, "Incorrect string value: '{}' for column `shop`.`people`.`name` at row 1",
     "Incorrect string value: '[redacted]' for column `shop`.`people`.`name` at row 1"),
    (1292, "Truncated incorrect DOUBLE value: '{}'", "Truncated incorrect DOUBLE value: '[redacted]'"),
    (1064, "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for "
     "the right syntax to use near '{}' at line 1", None),
    (1054, "Unknown column '{}' in 'where clause'", None),
    (1265, "Data truncated for column '{}' at row 1", None),
    (1411, "Incorrect datetime value: '{}' for function str_to_date", None),
    (3140, "Invalid JSON text: \"{}\" at position 0 in value for column 'people.data'.", None),
    (1644, "no such customer: {}", "[redacted]"),
    (1690, "BIGINT UNSIGNED value is out of range in '({} - 5)'", None),
]  # fmt: skip


@pytest.mark.parametrize(("number", "form", "shown"), MYSQL)
def test_values_that_mysql_quotes_are_removed(number: int, form: str, shown: str | None) -> None:
    @GENERATED
    @given(secrets())
    def check(value: str) -> None:
        text = redact_exception(_MySqlError(number, form.format(value)))[0]
        assert SECRET not in text
        assert str(number) in text
        if shown is not None:
            assert shown in text

    check()


def test_names_in_errors_of_mysql_stay() -> None:
    error = _MySqlError(1054, "Unknown column 'nothing' in 'where clause'")
    assert "Unknown column 'nothing' in 'where clause'" in _database_errors.clean(
        error, "SELECT 1 FROM t WHERE nothing = %s"
    )
    error = _MySqlError(1146, "Table 'shop.people' doesn't exist")
    assert "'[redacted]' doesn't exist" in _database_errors.clean(error)
    error = _MySqlError(1406, "Data too long for column 'username' at row 1")
    assert "Data too long for column 'username' at row 1" in _database_errors.clean(error)


@pytest.mark.parametrize(
    "text",
    [
        "invalid input syntax for type integer: \"hunter2planted\"\nLINE 1: SELECT 'hunter2planted'::integer\n   ^",
        'syntax error at or near "hunter2planted"',
        'ERROR:  value "hunter2planted" is out of range for type integer',
        "DETAIL:  Key (name)=(hunter2planted)=() already exists.",
        "DETAIL:  Failing row contains (1, hunter2planted, (x)).",
        'CONTEXT:  COPY people, line 1, column age: "hunter2planted"',
        "(1062, \"Duplicate entry 'it's hunter2planted' for key 'people.name'\")",
        "(1366, \"Incorrect integer value: 'hunter2planted' for column 'age' at row 1\")",
        "You have an error in your SQL syntax near 'hunter2planted' at line 1",
    ],
)
def test_texts_of_unknown_origin_are_recognised_by_their_form(text: str) -> None:
    shown = redact_text(f"it failed\n{text}" if text.startswith(("DETAIL", "CONTEXT")) else f"it failed: {text}")
    assert SECRET not in shown
    assert "[redacted]" in shown


@pytest.mark.parametrize(
    "text",
    ["invalid literal for int(): 'abc'", "LINE is busy", "3 values out of range", "near 'the end' of the list"],
)
def test_other_texts_are_not_taken_for_database_errors(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.django_db
def test_errors_of_models_stay_readable() -> None:
    User.objects.create(username="hunter")
    with pytest.raises(IntegrityError) as caught, unit_of_work("job"), transaction.atomic():
        User.objects.create(username="hunter")
    text = redact_exception(caught.value)[0]
    assert "hunter" not in text
    assert "username" in text
    with pytest.raises(Error) as missing, transaction.atomic():
        list(Group.objects.extra(where=["nothing = 1"]))
    assert "nothing" in redact_exception(missing.value)[0]
