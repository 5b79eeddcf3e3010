"""COPY and stored procedures, which Django passes to psycopg without a hook, are observed like other statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django_telemetry.context import unit_of_work
from opentelemetry.trace import SpanKind, StatusCode
from psycopg import sql

from .harness import MemoryProcessor, grown

LABELS = {"dependency": "postgresql", "protocol": "sql"}
SECRET = "hunter2planted"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _database(postgresql_url: str) -> None:
    """These need PostgreSQL."""


def _copy(cursor: Any, statement: str) -> Any:
    return cursor.copy(statement)


def test_copy_has_a_span_and_a_sample_and_counts_rows(spans: MemoryProcessor) -> None:
    kind = ContentType.objects.get_for_model(Permission)
    with (
        grown("dependency_call_duration_seconds_count", operation="COPY", outcome="ok", **LABELS),
        grown("django_model_inserts_total", 2, model="auth.permission"),
        unit_of_work("job"),
        connection.cursor() as cursor,
        _copy(cursor, "COPY auth_permission (name, content_type_id, codename) FROM STDIN") as copy,
    ):
        copy.write_row((SECRET, kind.pk, "a"))
        copy.write_row((SECRET, kind.pk, "b"))
    span = spans.named("COPY auth_permission")
    assert span.kind is SpanKind.CLIENT
    assert (span.attributes or {})["db.operation.name"] == "COPY"
    assert SECRET not in span.to_json()
    assert Permission.objects.filter(name=SECRET).count() == 2


def test_reading_by_copy_has_a_span(spans: MemoryProcessor) -> None:
    statement = f"COPY (SELECT '{SECRET}' FROM auth_permission LIMIT 1) TO STDOUT"
    with unit_of_work("job"), connection.cursor() as cursor, _copy(cursor, statement) as copy:
        assert len(list(copy.rows())) == 1
    span = spans.named("COPY auth_permission")
    assert (span.attributes or {})["db.query.text"] == "COPY (SELECT ? FROM auth_permission LIMIT ?) TO STDOUT"


def test_a_failed_copy_is_an_answer_of_the_database(spans: MemoryProcessor) -> None:
    with (
        grown("dependency_call_duration_seconds_count", operation="COPY", outcome="ok", **LABELS),
        unit_of_work("job"),
        pytest.raises(Exception, match="invalid input syntax"),
        transaction.atomic(),
        connection.cursor() as cursor,
        _copy(cursor, "COPY auth_permission (name, content_type_id, codename) FROM STDIN") as copy,
    ):
        copy.write_row(("a", "x", "a"))
    assert spans.named("COPY auth_permission").status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("name", ["lower", sql.Identifier("lower")])
def test_a_stored_procedure_has_a_span_and_a_sample(spans: MemoryProcessor, name: Any) -> None:
    with (
        grown("dependency_call_duration_seconds_count", operation="CALL", outcome="ok", **LABELS),
        unit_of_work("job"),
        connection.cursor() as cursor,
    ):
        cursor.callproc(name, [SECRET])
        assert cursor.fetchone() == (SECRET,)
    span = spans.named("CALL lower")
    assert (span.attributes or {})["db.query.text"] in ("CALL lower(%s)", 'CALL "lower"(%s)')
    assert SECRET not in span.to_json()


def test_an_unknown_procedure_is_an_answer(spans: MemoryProcessor) -> None:
    with unit_of_work("job"), pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.callproc("nothing_of_this_name", [])
    assert spans.named("CALL nothing_of_this_name").status.status_code is StatusCode.ERROR


def test_outside_of_any_work_a_copy_has_a_sample_only(spans: MemoryProcessor) -> None:
    with (
        grown("dependency_call_duration_seconds_count", operation="COPY", outcome="ok", **LABELS),
        connection.cursor() as cursor,
        _copy(cursor, "COPY auth_permission TO STDOUT") as copy,
    ):
        list(copy.rows())
    assert spans.spans == []


def test_a_cursor_of_a_driver_without_copy_has_none() -> None:
    cursor: Any = CursorWrapper(object(), connection)
    assert not hasattr(cursor, "copy")
