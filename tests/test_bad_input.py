"""Malformed HTTP, JSON and messages are refused with a reason, and nothing is partially written."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import catalogue
import pytest
from contracts.events import (
    EVENT_EXCHANGE,
    ORDER_CANCELLED,
    ORDER_CONFIRMED,
    QUEUES,
    Queue,
    encode,
    queue_named,
)
from platform_testing.polling import eventually
from platformctl.app import Platform

from tests.support.databases import as_administrator
from tests.support.elasticsearch import Elasticsearch
from tests.support.events import confirmed
from tests.support.expect import expect
from tests.support.rabbitmq import Message, RabbitMq
from tests.support.raw_http import RawAnswer, send
from tests.support.shop import Customer, Shop

WEB_SERVICES = sorted(
    process.name
    for service in catalogue.load().for_customers().values()
    for process in service.processes
    if process.kind == "web"
)
GOOD_HOST = b"Host: 127.0.0.1\r\n"
TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Wire:
    """Bytes to send, and the allowed statuses."""

    what: str
    data: bytes
    statuses: frozenset[int]
    half_close: bool = False

    def __str__(self) -> str:
        return self.what


def post(headers: bytes, body: bytes = b"", path: bytes = b"/api/v1/nothing-here") -> bytes:
    """A POST with exactly these headers and a valid Host."""
    return b"POST %s HTTP/1.1\r\n%sContent-Type: application/json\r\n%s\r\n%s" % (path, GOOD_HOST, headers, body)


def get(headers: bytes = b"", path: bytes = b"/livez") -> bytes:
    """A GET with these headers and a valid Host."""
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path, GOOD_HOST, headers)


def chunked(size: int, chunk: int = 8192) -> bytes:
    """A chunked body of `size` bytes."""
    piece = b"%x\r\n%s\r\n" % (chunk, b"x" * chunk)
    return piece * (size // chunk) + b"0\r\n\r\n"


def statuses(*numbers: int) -> frozenset[int]:
    """The allowed statuses."""
    return frozenset(numbers)


WIRES = [
    Wire("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", statuses(400)),
    Wire("a request line of one word", b"GARBAGE\r\n\r\n", statuses(400)),
    Wire("an unknown HTTP version", b"GET /livez HTTP/9.9\r\n" + GOOD_HOST + b"\r\n", statuses(400, 505)),
    Wire("a request line of 10,000 characters", get(path=b"/" + b"a" * 10_000), statuses(400, 414)),
    Wire("a header of 20,000 characters", get(b"X-Large: " + b"a" * 20_000 + b"\r\n"), statuses(400, 431)),
    Wire("500 headers", get(b"".join(b"X-%d: 1\r\n" % number for number in range(500))), statuses(400, 431)),
    Wire("a header without a colon", get(b"nonsense\r\n"), statuses(400)),
    Wire("a header name with a space", get(b"X Bad: 1\r\n"), statuses(400)),
    Wire("a foreign Host", b"GET /livez HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", statuses(400)),
    Wire("a Host with control characters", b"GET /livez HTTP/1.1\r\nHost: a\x01b\r\n\r\n", statuses(400)),
    Wire("a Content-Length in words", post(b"Content-Length: many\r\n"), statuses(400)),
    Wire("a negative Content-Length", post(b"Content-Length: -1\r\n"), statuses(400)),
    Wire("a Content-Length with an exponent", post(b"Content-Length: 1e3\r\n"), statuses(400)),
    Wire("a Content-Length of 40 digits", post(b"Content-Length: " + b"9" * 40 + b"\r\n"), statuses(400, 413)),
    Wire("two Content-Lengths", post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), statuses(400)),
    Wire(
        "Content-Length and chunks at once",
        post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        statuses(400),
    ),
    Wire("an unknown transfer coding", post(b"Transfer-Encoding: sideways\r\n"), statuses(400, 501)),
    Wire("a body over the limit", post(b"Content-Length: 70000\r\n", b"x" * 70_000), statuses(413)),
    Wire("a declared body of 1 GB", post(b"Content-Length: 1000000000\r\n", b"{"), statuses(413)),
    Wire("an encoded NUL in the path", get(path=b"/api/v1/nothing%00here"), statuses(400, 404)),
    Wire("a path that isn't UTF-8", get(path=b"/api/v1/%ff%fe"), statuses(400, 404)),
    Wire("an unknown method", b"BREW /livez HTTP/1.1\r\n" + GOOD_HOST + b"\r\n", statuses(400, 405)),
    Wire("an unknown path", get(path=b"/api/v1/nothing-here"), statuses(404)),
]


def assert_is_problem(answer: RawAnswer, allowed: frozenset[int], what: str, where: str) -> str:
    """Assert a 4xx (or 501, 505) problem document with its ids, and return the trace id."""
    shown = f"{answer.status} {answer.headers} {answer.body[:300]!r}"
    expect(answer.status in allowed, f"{sorted(allowed)} for {what}", shown, where)
    problem = answer.json
    typed = answer.headers.get("content-type", "").startswith("application/problem+json")
    expect(typed and isinstance(problem, dict), f"problem+json for {what}", shown, where)
    expect(problem["status"] == answer.status, "the status in the problem", shown, where)
    expect(bool(TRACE_ID.fullmatch(problem.get("trace_id") or "")), "a trace id in the problem", shown, where)
    expect(bool(problem.get("request_id")), "a request id in the problem", shown, where)
    return str(problem["trace_id"])


def base_url(shop: Shop, service: str) -> str:
    """The base URL of a service."""
    return str(getattr(shop.urls, service))


@pytest.mark.parametrize("service", WEB_SERVICES)
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_malformed_http_is_refused_as_a_problem(shop: Shop, service: str, wire: Wire) -> None:
    answer = send(base_url(shop, service), wire.data, half_close=wire.half_close)
    assert_is_problem(answer, wire.statuses, wire.what, f"make logs s={service}")


@pytest.mark.parametrize("service", WEB_SERVICES)
def test_a_refused_request_is_found_in_the_logs_by_its_trace_id(
    shop: Shop, elasticsearch: Elasticsearch, service: str
) -> None:
    # One that never reaches Django, and one that does.
    for data in (b"GARBAGE\r\n\r\n", get(path=b"/api/v1/nothing-here")):
        answer = send(base_url(shop, service), data)
        trace_id = assert_is_problem(answer, statuses(400, 404), repr(data), f"make logs s={service}")
        eventually(
            partial(elasticsearch.logs, trace__id=trace_id, service__name=service),
            f"a log line of {service} with trace id {trace_id}",
            look_at=elasticsearch.search_url(f"trace.id:{trace_id}"),
        )


# Orders: the endpoint with the most rules, with a customer who may order.


def order(headers: bytes, body: bytes, customer: Customer, *, key: bool = True) -> bytes:
    """A POST of an order with the customer's token and an idempotency key."""
    authorization = f"Authorization: {customer.headers['Authorization']}\r\n".encode()
    key_header = f"Idempotency-Key: {uuid.uuid4()}\r\n".encode() if key else b""
    return post(authorization + key_header + headers, body, b"/api/v1/orders")


def sized(body: bytes) -> bytes:
    """The Content-Length header of a body."""
    return b"Content-Length: %d\r\n" % len(body)


def valid_order(shop: Shop) -> bytes:
    """An order that would be accepted."""
    return json.dumps({"items": shop.items(), "payment_token": "tok_ok"}).encode()


@dataclass(frozen=True)
class BadOrder:
    """An invalid order: how its bytes are made, and the allowed statuses."""

    what: str
    make: Callable[[Shop, Customer], bytes]
    statuses: frozenset[int]
    half_close: bool = False

    def __str__(self) -> str:
        return self.what


def with_body(what: str, body: bytes, *numbers: int) -> BadOrder:
    """An invalid body with the correct length."""
    return BadOrder(what, lambda shop, customer: order(sized(body), body, customer), statuses(*numbers))


def changed(what: str, old: str, new: str, *numbers: int) -> BadOrder:
    """A valid order with one change."""

    def make(shop: Shop, customer: Customer) -> bytes:
        body = valid_order(shop).decode()
        assert old in body, f"{old} isn't in {body}"
        wrong = body.replace(old, new, 1).encode()
        return order(sized(wrong), wrong, customer)

    return BadOrder(what, make, statuses(*numbers))


BAD_ORDERS = [
    with_body("no body", b"", 400),
    with_body("half a document", b'{"items": [', 400),
    with_body("not UTF-8", b'{"payment_token": "\xff\xfe"}', 400),
    with_body("a lone surrogate", b'{"payment_token": "\\ud800"}', 400),
    with_body("NaN", b'{"payment_token": NaN}', 400),
    with_body("a key twice", b'{"items": [], "items": []}', 400),
    with_body("null", b"null", 400),
    with_body("a list", b"[]", 400),
    with_body("20,000 levels", b"[" * 20_000, 400),
    with_body("a number of 5,000 digits", b'{"items": ' + b"9" * 5000 + b"}", 400),
    with_body("70 KB", b'{"payment_token": "' + b"x" * 70_000 + b'"}', 413),
    BadOrder(
        "200 KB in chunks",
        lambda shop, customer: order(b"Transfer-Encoding: chunked\r\n", chunked(200_000), customer),
        statuses(400, 411, 413),
    ),
    BadOrder(
        "a chunk of a malformed size",
        lambda shop, customer: order(b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n", customer),
        statuses(400, 411),
    ),
    BadOrder(
        "half of it, then closed",
        lambda shop, customer: order(sized(valid_order(shop)), valid_order(shop)[:40], customer),
        statuses(400),
        half_close=True,
    ),
    BadOrder(
        "a whole document but less than announced, then closed",
        lambda shop, customer: order(b"Content-Length: 1000\r\n", valid_order(shop), customer),
        statuses(400),
        half_close=True,
    ),
    BadOrder(
        "no idempotency key",
        lambda shop, customer: order(sized(valid_order(shop)), valid_order(shop), customer, key=False),
        statuses(400),
    ),
    changed("a quantity in quotes", '"quantity": 1', '"quantity": "1"', 400),
    changed("a fractional quantity", '"quantity": 1', '"quantity": 1.5', 400),
    changed("a true quantity", '"quantity": 1', '"quantity": true', 400),
    changed("a negative quantity", '"quantity": 1', '"quantity": -1', 400),
    changed("no quantity at all", '"quantity": 1', '"quantity": 0', 400),
    changed("a huge quantity", '"quantity": 1', '"quantity": 99999999999999999999', 400),
    changed("an unknown member", '"payment_token"', '"discount": "all", "payment_token"', 400),
    changed("an unknown card", "tok_ok", "tok_" + "x" * 100, 400),
]


@pytest.mark.parametrize("bad", BAD_ORDERS, ids=str)
def test_a_bad_order_is_refused_and_nothing_is_partially_written(
    platform: Platform, shop: Shop, customer: Customer, bad: BadOrder
) -> None:
    answer = send(shop.urls.orders, bad.make(shop, customer), half_close=bad.half_close)
    assert_is_problem(answer, bad.statuses, bad.what, "make logs s=orders")
    expect(customer.orders() == [], "no order", customer.orders(), f"{shop.urls.orders}/api/v1/orders")
    for table in ("ordering_order", "ordering_idempotencykey"):
        with as_administrator(platform, "orders") as connection:
            rows = connection.execute(
                f"SELECT count(*) FROM {table} WHERE user_id = %s", [uuid.UUID(customer.id)]
            ).fetchone()
        expect(rows == (0,), f"no row of the customer in {table}", rows, f"the database orders, table {table}")


def test_the_same_order_well_formed_is_accepted(shop: Shop, customer: Customer) -> None:
    body = valid_order(shop)
    answer = send(shop.urls.orders, order(sized(body), body, customer))
    # Proves that the changes of the tests above are the only reason for the refusals.
    expect(answer.status == 201, "201", f"{answer.status} {answer.body[:300]!r}", "make logs s=orders")


def broken(change: Callable[[dict[str, object]], object]) -> bytes:
    """A valid event with one change."""
    event = confirmed(str(uuid.uuid4()))
    change(event)
    return encode(event)


INVALID_EVENTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{cut off", "malformed_json"),
    "a list": (b"[]", "not_an_object"),
    "an unknown type": (broken(lambda event: event.update(type="order.teleported.v1")), "unknown_type"),
    "a type that is a path": (broken(lambda event: event.update(type="../../secrets")), "unknown_type"),
    "without its data": (broken(lambda event: event.pop("data")), "schema_violation"),
    "with an id that isn't one": (broken(lambda event: event.update(id="17")), "schema_violation"),
    "with a time that isn't one": (broken(lambda event: event.update(time="soon")), "schema_violation"),
    "300 KB": (broken(lambda event: event.update(padding="x" * 300_000)), "too_large"),
}


@pytest.fixture
def message_id(rabbitmq: RabbitMq) -> Iterator[str]:
    """The id of a message that is removed from the dead letters afterwards: they are for what needs an operator."""
    name = str(uuid.uuid4())
    yield name
    for queue in QUEUES:
        rabbitmq.remove(queue.dead_letter_queue, name)


def dead_letters(rabbitmq: RabbitMq, queue: Queue, message_id: str) -> list[Message]:
    """The messages with that id among a queue's dead letters, as soon as there is one."""
    dead = queue.dead_letter_queue

    def mine() -> list[Message]:
        return [message for message in rabbitmq.messages(dead) if message.message_id == message_id]

    return eventually(mine, f"the message in {dead}", look_at=rabbitmq.queue_url(dead), timeout=15, longest_pause=0.5)


def queues_of(event_type: str) -> list[Queue]:
    """The queues that carry events of a type."""
    return [queue_named(queue.name) for queue in catalogue.load().queues.values() if event_type in queue.events]


@pytest.mark.parametrize("what", INVALID_EVENTS)
def test_an_invalid_event_goes_to_the_dead_letters_with_its_reason(
    rabbitmq: RabbitMq, message_id: str, what: str
) -> None:
    body, reason = INVALID_EVENTS[what]
    rabbitmq.publish(EVENT_EXCHANGE, ORDER_CONFIRMED, body, message_id=message_id)
    for queue in queues_of(ORDER_CONFIRMED):
        found = dead_letters(rabbitmq, queue, message_id)
        where = rabbitmq.queue_url(queue.dead_letter_queue)
        expect(len(found) == 1, "one message", len(found), where)
        recorded = str(found[0].headers.get("x-error-reason"))
        expect(recorded.startswith(reason), f"x-error-reason {reason}", found[0].headers, where)
        expect(found[0].body == body, "the body as it was", found[0].body[:200], where)


def test_each_consumer_moves_an_invalid_event_to_its_own_dead_letters(rabbitmq: RabbitMq, message_id: str) -> None:
    rabbitmq.publish(EVENT_EXCHANGE, ORDER_CANCELLED, b"not an event", message_id=message_id)
    for queue in queues_of(ORDER_CANCELLED):
        found = dead_letters(rabbitmq, queue, message_id)
        expect(len(found) == 1, "one message", len(found), rabbitmq.queue_url(queue.dead_letter_queue))
