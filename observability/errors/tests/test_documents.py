"""Grouping, documents and what hypothesis makes of envelopes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_errors import grouping, incoming
from platform_errors.documents import document
from platform_errors.incoming import Refused
from platform_errors.settings import Settings, SettingsError, load
from platform_errors.store import MOST_QUEUED_BYTES
from platform_settings.testing import GENERATED, check_wrong_value
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from .conftest import KEY
from .events import event, exception, frame

Result = TypeVar("Result")
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
# Every document fits in the queue.
LARGEST_DOCUMENT_BYTES = MOST_QUEUED_BYTES // 2

TEXTS = st.text(max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "event_id",
    "timestamp",
    "level",
    "logger",
    "server_name",
    "release",
    "environment",
    "transaction",
    "contexts",
    "tags",
    "request",
    "exception",
    "logentry",
    "message",
    "fingerprint",
)
# Events of which any part is replaced by any JSON value.
EVENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8).map(lambda changes: {**event(), **changes})


def key(**changes: Any) -> str:
    return grouping.key(event(**changes), "orders")


def chain(*exceptions: dict[str, Any]) -> dict[str, Any]:
    return {"exception": {"values": list(exceptions)}}


RAISED = frame("ordering.relay", "run", 20)


def test_the_same_place_and_type_are_one_group_whatever_the_values_and_line_numbers() -> None:
    first = key(**chain(exception("E", "order 1", RAISED, frame("psycopg", "execute", in_app=False))))
    second = key(**chain(exception("E", "order 2", RAISED | {"lineno": 99}, frame("other", "run", in_app=False))))
    assert first == second


@pytest.mark.parametrize(
    "changed",
    [
        exception("Other", "x", RAISED),
        exception("E", "x", frame("ordering.relay", "stop", 20)),
        exception("E", "x", RAISED, RAISED),
        exception("E", "x", RAISED | {"context_line": "raise E('elsewhere')"}),
    ],
)
def test_another_type_or_another_stack_is_another_group(changed: dict[str, Any]) -> None:
    assert key(**chain(exception("E", "x", RAISED))) != key(**chain(changed))


def test_without_frames_of_the_application_all_frames_group() -> None:
    first, second = (chain(exception("E", "x", frame(module, "f", in_app=False))) for module in ("one", "two"))
    assert key(**first) != key(**second)


def test_without_a_stack_the_value_groups() -> None:
    assert key(**chain(exception("E", "x"))) != key(**chain(exception("E", "y")))


def test_messages_group_by_their_template() -> None:
    made = [
        key(exception=None, logentry={"message": "order %s failed", "formatted": f"order {number} failed"})
        for number in (1, 2)
    ]
    assert made[0] == made[1]
    assert made[0] != key(exception=None, logentry={"message": "other %s"})


def test_a_fingerprint_replaces_the_grouping_or_adds_to_it() -> None:
    stack, other = chain(exception("E", "x", RAISED)), chain(exception("Other", "x", RAISED))
    assert key(**stack, fingerprint=["a"]) == key(**other, fingerprint=["a"])
    assert key(**stack, fingerprint=["a"]) != key(**stack, fingerprint=["b"])
    assert key(**stack, fingerprint=["{{ default }}"]) == key(**stack)
    assert key(**stack, fingerprint=["{{ default }}", "a"]) != key(**stack)
    assert key(**stack, fingerprint=["{{ default }}", "a"]) != key(**other, fingerprint=["{{default}}", "a"])


def test_each_service_has_its_own_groups() -> None:
    assert grouping.key(event(), "orders") != grouping.key(event(), "payments")


@pytest.mark.parametrize(
    ("changes", "service", "version"),
    [
        ({}, "orders", "1.4"),
        ({"tags": {}, "contexts": {"otel": {"resource": {"service.name": "shop"}}}}, "shop", "1.4"),
        ({"tags": {}, "release": "cart@2.1"}, "cart", "2.1"),
        ({"tags": None}, "orders-relay", "1.4"),
        ({"tags": [["service_name", "listed"]], "release": None}, "listed", None),
        ({"tags": {}, "server_name": ""}, "unknown", "1.4"),
    ],
)
def test_the_service_and_its_version_are_found(changes: dict[str, Any], service: str, version: str | None) -> None:
    _, found = document(event(**changes), NOW)
    assert (found["service"]["name"], found["service"].get("version")) == (service, version)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NOW.timestamp() - 5, NOW - timedelta(seconds=5)),
        ("2026-06-30T11:59:00Z", NOW - timedelta(minutes=1)),
        ("2026-06-30T13:59:00+02:00", NOW - timedelta(minutes=1)),
        ("2026-06-30T11:59:00.000000", NOW - timedelta(minutes=1)),
        (NOW.timestamp() + 3600, NOW),
        ("2020-01-01T00:00:00Z", NOW),
        (float("nan"), NOW),
        (1e300, NOW),
        ("yesterday", NOW),
        (None, NOW),
    ],
)
def test_an_implausible_time_is_replaced_by_that_of_arrival(given: Any, expected: datetime) -> None:
    _, found = document(event(timestamp=given), NOW)
    assert datetime.fromisoformat(found["@timestamp"]) == expected


def test_the_stack_trace_reads_as_pythons() -> None:
    _, found = document(event(), NOW)
    assert found["error"]["stack_trace"].splitlines()[:4] == [
        "Traceback (most recent call last):",
        '  File "ordering/views.py", line 10, in create',
        "    create()",
        "KeyError: 'a'",
    ]
    assert "During the handling" in found["error"]["stack_trace"]


def test_a_large_event_becomes_a_bounded_document() -> None:
    stack = [frame("m" * 5000, "f" * 5000, source="s" * 5000) for _ in range(500)]
    tags = {f"tag{number}": "v" * 500 for number in range(500)}
    many = event(**chain(*[exception("E" * 5000, "v" * 50_000, *stack)] * 30), tags=tags)
    _, found = document(many, NOW)
    assert len(json.dumps(found)) < LARGEST_DOCUMENT_BYTES
    assert len(found["labels"]) == 50


@GENERATED
@given(sent=EVENTS)
def test_any_event_becomes_a_document_that_is_json(sent: dict[str, Any]) -> None:
    before = deepcopy(sent)
    identifier, found = document(sent, NOW)
    assert repr(sent) == repr(before), "the event itself is forwarded unchanged"
    assert uuid.UUID(identifier).hex == identifier == found["event"]["id"]
    assert found["service"]["name"]
    assert found["error"]["grouping_key"] == grouping.key(sent, found["service"]["name"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def accepted_or_refused(read: Callable[[], Result]) -> Result | None:
    """What `read` returns; None if it refuses. Any other exception fails the test."""
    try:
        return read()
    except Refused as refusal:
        if refusal.status not in (400, 413):
            raise
        return None


@GENERATED
@given(
    headers=st.dictionaries(TEXTS, VALUES, max_size=3),
    items=st.lists(st.tuples(st.sampled_from(["event", "session", "log", "new"]) | TEXTS, VALUES | EVENTS), max_size=4),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=3),
)
def test_any_envelope_is_parsed_or_refused_as_broken(
    headers: dict[str, Any], items: list[tuple[str, Any]], changes: list[tuple[int, bytes]]
) -> None:
    made = Envelope(headers, [Item(PayloadRef(bytes=json.dumps(value).encode()), type=kind) for kind, value in items])
    body = made.serialize()
    for place, inserted in changes:
        body = body[:place] + inserted + body[place + 1 :]
    parsed = accepted_or_refused(lambda: incoming.parse_envelope(body))
    for sent in incoming.events(parsed) if parsed else ():
        document(sent, NOW)


@GENERATED
@given(body=st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused_as_broken(body: bytes) -> None:
    accepted_or_refused(lambda: incoming.parse_envelope(body))
    accepted_or_refused(lambda: incoming.parse_event(body))


@GENERATED
@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", "br", "identity", ""]))
def test_any_bytes_are_decompressed_or_refused(body: bytes, encoding: str) -> None:
    accepted_or_refused(lambda: incoming.decompress(body, encoding))


def test_settings_need_the_key() -> None:
    with pytest.raises(SettingsError, match="ERRORS_DSN_KEY"):
        load({})
    assert load({"ERRORS_DSN_KEY": KEY}).port == 9097
    assert KEY not in repr(load({"ERRORS_DSN_KEY": KEY}))


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    not_dsns = st.sampled_from(["zqxnotadsn", "ftp://zqxkey@host/1", "http://zqxhost/1", "http://zqxkey@host/"])
    check_wrong_value(data, Settings, {"ERRORS_DSN_KEY": KEY}, kinds={"dsn": lambda _: not_dsns}, blank_is_unset=True)
