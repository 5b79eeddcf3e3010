"""The drills' actions on a real broker, in a virtual host of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from load.drills import actions
from load.drills.world import World

QUEUE = "notifications.orders"
ARGUMENTS = {"queue": QUEUE, "keys": ["order.#"]}
TIMEOUT_SECONDS = 10.0

Broker = Callable[..., requests.Response]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """The management API, with paths to the platform's virtual host redirected to the test's own."""
    admin = os.environ.get("TEST_RABBITMQ_ADMIN_URL")
    if not admin:
        pytest.fail("TEST_RABBITMQ_ADMIN_URL is not set. Run these tests by: make test s=load")
    vhost = f"test-drills-{uuid.uuid4().hex}"

    def call(method: str, path: str, body: Any = None) -> requests.Response:
        address = f"{admin.rstrip('/')}/api{path.replace('/platform', f'/{vhost}', 1)}"
        answer = requests.request(method, address, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer

    call("PUT", "/vhosts/platform")
    try:
        call("PUT", "/exchanges/platform/events", {"type": "topic", "durable": True})
        call("PUT", f"/queues/platform/{QUEUE}", {"durable": True})
        call("POST", f"/bindings/platform/e/events/q/{QUEUE}", {"routing_key": "order.#"})
        yield call
    finally:
        call("DELETE", "/vhosts/platform")


@pytest.fixture
def world(broker: Broker) -> World:
    return cast(World, SimpleNamespace(broker=broker))


def publish(broker: Broker, message_id: str) -> None:
    answer = broker(
        "POST",
        "/exchanges/platform/events/publish",
        {
            "properties": {"message_id": message_id, "delivery_mode": 2, "headers": {"traceparent": "00-1-2-01"}},
            "routing_key": "order.confirmed",
            "payload": "{}",
            "payload_encoding": "string",
        },
    ).json()
    assert answer["routed"], f"{message_id} reached no queue: a publisher would be notified, and bind the queue anew"


def taken_from(broker: Broker, queue: str) -> list[dict[str, Any]]:
    """Take all messages from a queue."""
    body = {"count": 100, "ackmode": "ack_requeue_false", "encoding": "auto"}
    found: list[dict[str, Any]] = broker("POST", f"/queues/platform/{queue}/get", body).json()
    return found


def queues(broker: Broker) -> set[str]:
    return {queue["name"] for queue in broker("GET", "/queues/platform?columns=name").json()}


def ids(messages: list[dict[str, Any]]) -> list[str]:
    return [message["properties"]["message_id"] for message in messages]


def test_diverted_events_reach_another_queue_and_all_of_them_are_restored(broker: Broker, world: World) -> None:
    actions.divert(world, ARGUMENTS)
    publish(broker, "meanwhile")
    assert ids(taken_from(broker, QUEUE)) == []

    actions.undivert(world, ARGUMENTS)
    publish(broker, "afterwards")

    taken = taken_from(broker, QUEUE)
    assert ids(taken) == ["meanwhile", "afterwards"]
    assert taken[0]["properties"]["headers"] == {"traceparent": "00-1-2-01"}
    assert taken[0]["payload"] == "{}"
    assert queues(broker) == {QUEUE}


def test_undivert_restores_events_after_no_diversion_or_an_incomplete_one(broker: Broker, world: World) -> None:
    actions.undivert(world, ARGUMENTS)
    publish(broker, "untouched")
    assert ids(taken_from(broker, QUEUE)) == ["untouched"]

    # Killed between the two steps of `divert`: both queues receive events.
    broker("PUT", f"/queues/platform/{actions.DIVERTED}", {"durable": True})
    broker("POST", f"/bindings/platform/e/events/q/{actions.DIVERTED}", {"routing_key": "order.#"})
    publish(broker, "twice")
    actions.undivert(world, ARGUMENTS)
    assert ids(taken_from(broker, QUEUE)) == ["twice", "twice"]
    assert queues(broker) == {QUEUE}
