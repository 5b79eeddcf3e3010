"""Events conform to their schema, and schemas stay compatible with their consumers."""

import copy
import json
from pathlib import Path
from typing import Any

import catalogue
import pytest
from contracts import events
from contracts.events import envelope

from tests.compatibility import schema_breaks
from tests.examples import CANCELLED, CONFIRMED

BASELINE = Path(__file__).parent / "baseline"


@pytest.mark.parametrize("event", [CONFIRMED, CANCELLED], ids=lambda event: event["type"])
def test_a_golden_event_survives_encoding_and_decoding(event: dict[str, Any]) -> None:
    assert events.decode(events.encode(event)) == event


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"[]", "not_an_object"),
        (b"{}", "unknown_type"),
        (b'{"type": 5}', "unknown_type"),
        (b'{"type": "../../../etc/passwd"}', "unknown_type"),
        (b'{"type": "order.confirmed.v1"}', "schema_violation"),
        (b"x" * (envelope.MAX_BODY_BYTES + 1), "too_large"),
    ],
)
def test_an_invalid_event_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(events.InvalidEvent) as caught:
        events.decode(body)
    assert caught.value.reason == reason
    assert reason in events.INVALID_REASONS


def test_a_refusal_names_the_member_but_not_the_value() -> None:
    event = copy.deepcopy(CONFIRMED)
    event["data"]["customer"]["email"] = "someone private"
    with pytest.raises(events.InvalidEvent) as caught:
        events.decode(events.encode(event))
    assert str(caught.value) == "schema_violation: data/customer/email: pattern"


def test_a_new_event_gets_a_unique_id() -> None:
    first, second = (
        events.new_event(events.ORDER_CONFIRMED, service="orders", subject=CONFIRMED["subject"], data=CONFIRMED["data"])
        for _ in range(2)
    )
    assert first["id"] != second["id"]


@pytest.mark.parametrize("event_type", sorted(envelope.event_types()))
def test_no_schema_breaks_its_consumers(event_type: str) -> None:
    baseline = json.loads((BASELINE / f"{event_type}.json").read_text())
    assert schema_breaks(baseline, envelope.schema(event_type)) == []


def _without(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(schema)
    node = changed
    for key in path[:-1]:
        node = node[key]
    if isinstance(node, dict) and path[-1] in node:
        del node[path[-1]]
    return changed


def test_the_compatibility_check_detects_a_break() -> None:
    schema = envelope.schema("order.confirmed.v1")
    no_longer_required = copy.deepcopy(schema)
    no_longer_required["properties"]["data"]["required"].remove("customer")
    other_type = copy.deepcopy(schema)
    other_type["properties"]["data"]["properties"]["order_id"]["type"] = "integer"
    removed = _without(schema, "properties", "data", "properties", "total")
    assert schema_breaks(schema, no_longer_required) == ["data: customer is no longer guaranteed"]
    assert schema_breaks(schema, other_type) == ["data.order_id: type changed from string to integer"]
    assert schema_breaks(schema, removed) == ["data.total: removed"]


def test_the_compatibility_check_allows_an_addition() -> None:
    schema = envelope.schema("order.confirmed.v1")
    more = copy.deepcopy(schema)
    more["properties"]["data"]["properties"]["coupon"] = {"type": "string"}
    assert schema_breaks(schema, more) == []


def test_every_event_of_the_catalogue_has_a_schema() -> None:
    known = catalogue.load().events
    assert {event.type for event in known} == envelope.event_types()


def test_every_queue_of_the_catalogue_is_declared_with_its_bindings() -> None:
    assert [(queue.name, queue.bindings) for queue in events.QUEUES] == [
        (queue.name, queue.bindings) for queue in catalogue.load().queues.values()
    ]
    assert events.queue_named("notifications.orders").bindings == ("order.#",)


def test_a_queue_that_the_catalogue_lacks_is_refused_by_its_name() -> None:
    with pytest.raises(KeyError, match=r"orders\.unknown"):
        events.queue_named("orders.unknown")
