"""Whatever a program logs becomes one line of valid JSON, and every line is accounted for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from django_telemetry import _guard, logs
from django_telemetry.accounting import Account
from django_telemetry.writer import LineWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import check_balance, sample
from .hostile import ANYTHING, KEYS, Raising

logger = logging.getLogger("tests.lines")
ENVELOPE = {"@timestamp", "log.level", "log.logger", "ecs.version", "service.name", "event.id", "message"}


class Output:
    """Lines written to a file by the real writer."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self.counts = Account("test")
        self.writer = LineWriter(self._file.fileno(), counts=self.counts)
        self._read = 0
        self._handler = logs.StdoutHandler()

    def log(self, message: Any, *args: Any, level: int = logging.WARNING, extra: Any = None) -> None:
        """Log as a logger does. Not by one: pytest's own handlers raise for some of what is logged here."""
        self.handle(logger.makeRecord(logger.name, level, __file__, 1, message, args, None, None, extra))

    def handle(self, record: logging.LogRecord) -> None:
        self._handler.handle(record)

    def new_lines(self) -> list[dict[str, Any]]:
        """The lines since the last call. Fails when one isn't strictly JSON in UTF-8."""
        assert self.writer.flush(10)
        size = os.fstat(self._file.fileno()).st_size
        data = os.pread(self._file.fileno(), size - self._read, self._read)
        self._read = size
        return [json.loads(line.decode(), parse_constant=pytest.fail) for line in data.splitlines()]

    def close(self) -> None:
        self.writer.close(1)
        self._file.close()


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    made = Output(tmp_path / "lines")
    monkeypatch.setattr(logs, "_writer", made.writer)
    yield made
    made.close()


def _raise(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


@given(
    message=st.one_of(st.sampled_from(["%s", "%r", "%d", "%s and %(a)s", "%", "no argument"]), ANYTHING),
    args=st.one_of(st.lists(ANYTHING, max_size=3).map(tuple), st.dictionaries(st.just("a"), ANYTHING, min_size=1)),
    extra=st.dictionaries(KEYS, ANYTHING, max_size=4),
    failure=st.one_of(st.none(), ANYTHING),
    level=st.sampled_from([logging.INFO, logging.ERROR]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_every_record_becomes_one_line(
    output: Output, message: Any, args: Any, extra: dict[Any, Any], failure: Any, level: int
) -> None:
    record = logging.LogRecord("tests.lines", level, __file__, 1, message, None, None)
    record.args = args
    record.__dict__.update({key: value for key, value in extra.items() if key not in record.__dict__})
    if failure is not None:
        exc = _raise(ValueError(failure))
        record.exc_info = (type(exc), exc, exc.__traceback__)
    before = sample("telemetry_items_total", signal="logs", result="lost", reason="internal_error")
    output.handle(record)
    (line,) = output.new_lines()
    assert line.keys() >= ENVELOPE
    assert len(json.dumps(line)) < 500_000
    assert sample("telemetry_items_total", signal="logs", result="lost", reason="internal_error") == before
    check_balance(output.counts)
    assert output.counts.made == output.counts.delivered


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("order for %s", ("\ud83d",), "order for \\ud83d"),
        ("file %s", (os.fsdecode(b"\xe9t\xe9"),), "file \\udce9t\\udce9"),
        ("order for %s and %s", (Raising(), "another"), "order for <unprintable Raising> and another"),
        ("%d orders", ("two",), "%d orders"),
        (Raising(), (), "<unprintable Raising>"),
        ({"event": "placed", "order": 5}, (), "placed"),
    ],
    ids=range(6),
)
def test_what_a_serialiser_refuses_is_still_readable(output: Output, message: Any, args: Any, shown: str) -> None:
    output.log(message, *args)
    assert [line["message"] for line in output.new_lines()] == [shown]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**64, "18446744073709551616"),
        (10**20, "100000000000000000000"),
        (-(2**63) - 1, "-9223372036854775809"),
        (2**64 - 1, 2**64 - 1),
        (float("nan"), None),
        (datetime(2026, 11, 29, 20, 12, 12, tzinfo=UTC), "2026-11-29T20:12:12+00:00"),
        (date(2026, 11, 29), "2026-11-29"),
        ({"at": date(2026, 11, 29), 1: Raising()}, {"at": "2026-11-29", "1": "<unprintable Raising>"}),
        ("\ud83d", "\\ud83d"),
    ],
    ids=range(9),
)  # fmt: skip
def test_extras_that_json_has_no_form_for_are_kept(output: Output, value: Any, shown: Any) -> None:
    output.log("with an extra", extra={"order.number": value})
    (line,) = output.new_lines()
    assert line["order.number"] == shown


def test_a_dict_message_becomes_a_message_and_fields(output: Output) -> None:
    output.log({"event": "order placed", "order.id": 5, "password": "planted", "items": [1, 2]})
    output.log({"only": "values"})
    first, second = output.new_lines()
    assert first["message"] == "order placed"
    assert (first["order.id"], first["labels.password"], first["labels.items"]) == (5, "[redacted]", "[1,2]")
    assert (second["message"], second["labels.only"]) == ("{'only': 'values'}", "values")


@given(st.dictionaries(st.sampled_from(logs._ENVELOPE), st.just("planted"), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_extras_do_not_replace_the_fields_of_every_line(output: Output, extra: dict[str, str]) -> None:
    output.handle(logging.makeLogRecord({"name": "t", "msg": "own", "levelno": 20, **extra}))
    (line,) = output.new_lines()
    for name in extra:
        if name != "message":  # an attribute of every formatted record
            assert line.get(name) != "planted"
            assert line[f"labels.{name.replace('.', '_')}"] == "planted"


def test_two_lines_about_one_event_have_document_ids_of_their_own(output: Output) -> None:
    for text in ("received", "handled"):
        output.log(text, extra={"event.id": "evt_1A", "event.id.more": 1, "event": "x"})
    first, second = output.new_lines()
    assert first["event.id"] != second["event.id"]
    assert first["labels.event_id"] == second["labels.event_id"] == "evt_1A"
    assert first["labels.event_id_more"] == "1"


def test_no_extra_vanishes_and_none_has_a_name_that_the_log_store_refuses(output: Output) -> None:
    output.log("odd names", extra={"request": "r", "_x": 1, ".": 2, "": 3, "a..b": 4, "order.id": 5})
    (line,) = output.new_lines()
    extras = {name: value for name, value in line.items() if name.startswith("labels.") or name == "order.id"}
    assert extras == {
        "labels.request": "r", "labels._x": "1", "labels.unnamed": "2", "labels.unnamed_": "3", "labels.a__b": "4",
        "order.id": 5,
    }  # fmt: skip
    output.log("a request", extra={"request": HttpRequest()})
    (line,) = output.new_lines()
    assert not [name for name in line if name.startswith("labels.")]


class _Broken(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise RuntimeError("planted")


def test_a_formatter_that_fails_costs_the_details_but_not_the_line(
    output: Output, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_guard, "_reported", set())
    handler = logs.StdoutHandler()
    handler.setFormatter(_Broken())
    before = sample("telemetry_items_total", signal="logs", result="lost", reason="internal_error")
    made = sample("telemetry_items_total", signal="logs", result="made", reason="")
    for _ in range(2):
        handler.handle(logging.makeLogRecord({"msg": "order for %s", "args": ("planted-client",), "levelno": 40}))
    assert sample("telemetry_items_total", signal="logs", result="lost", reason="internal_error") == before + 2
    assert sample("telemetry_items_total", signal="logs", result="made", reason="") == made + 2
    report, first, second = output.new_lines()
    assert report["message"] == "Telemetry failed in the formatting of a log record; the program is not affected."
    assert "_Broken" in report["error.stack_trace"] or "in format" in report["error.stack_trace"]
    assert first["message"] == second["message"] == "order for %s"
    assert "planted-client" not in capfd.readouterr().err


def test_ids_given_to_a_line_outside_of_any_work_are_its_ids(output: Output) -> None:
    given = {"trace.id": "0af7651916cd43dd8448eb211c80319c", "request.id": "5f1ab3c4-2cf3-4cb1-b689-48ff6f515422"}
    output.log("refused", extra=given)
    output.log("refused", extra={"trace.id": "not an id", "request.id": "a b"})
    first, second = output.new_lines()
    assert {name: first[name] for name in given} == given
    assert not given.keys() & second.keys()
    assert (second["labels.trace_id"], second["labels.request_id"]) == ("not an id", "a b")
