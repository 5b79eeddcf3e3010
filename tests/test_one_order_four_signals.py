"""One order, followed through traces, logs, metrics and errors to its mail."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import catalogue
import pytest
from catalogue import graph
from contracts.events import EVENT_EXCHANGE, ORDER_CONFIRMED, encode
from platform_testing.polling import eventually
from platformctl.app import Platform

from tests.support.databases import as_administrator
from tests.support.elasticsearch import ERRORS, Document, Elasticsearch
from tests.support.events import confirmed
from tests.support.expect import expect, fail
from tests.support.jaeger import Jaeger, Span, Trace
from tests.support.mail import Mailbox
from tests.support.prometheus import Prometheus
from tests.support.rabbitmq import RabbitMq
from tests.support.shop import Customer, Order, Shop

CATALOGUE = catalogue.load()
SERVICES = set(graph.crossed_by(CATALOGUE, "place-order"))
CONSUMER = "notifications.orders process"

# (callee's span, its caller's span), each as (service, kind, name)
PARENTS = [
    (("orders", "client", "GET /internal/v1/users/{id}"), ("orders", "server", "POST api/v1/orders")),
    (("users", "server", "GET internal/v1/users/<uuid:user_id>"), ("orders", "client", "GET /internal/v1/users/{id}")),
    (("orders", "client", "inventory.v1.Inventory/Reserve"), ("orders", "server", "POST api/v1/orders")),
    (
        ("inventory", "server", "inventory.v1.Inventory/Reserve"),
        ("orders", "client", "inventory.v1.Inventory/Reserve"),
    ),
    (
        ("inventory", "server", "inventory.v1.Inventory/Commit"),
        ("orders", "client", "inventory.v1.Inventory/Commit"),
    ),
    (("orders", "client", "POST /internal/v1/charges"), ("orders", "server", "POST api/v1/orders")),
    (("payments", "server", "POST internal/v1/charges"), ("orders", "client", "POST /internal/v1/charges")),
    (("payments", "client", "POST /v1/charges"), ("payments", "server", "POST internal/v1/charges")),
    (("orders", "producer", "events publish"), ("orders", "server", "POST api/v1/orders")),
    (("notifications", "consumer", CONSUMER), ("orders", "producer", "events publish")),
]


@dataclass(frozen=True)
class Placed:
    """An order and its customer."""

    order: Order
    customer: Customer


@pytest.fixture(scope="module")
def placed(shop: Shop) -> Placed:
    """The order that all tests of this module follow."""
    customer = shop.new_customer()
    return Placed(customer.order(shop.items()), customer)


@pytest.fixture(scope="module")
def trace(placed: Placed, jaeger: Jaeger) -> Trace:
    """The order's trace, after its last span has arrived.

    Each process exports its spans at its own time: a call's server span may be the last to arrive, and nothing in the
    trace refers to missing spans. So this waits for every callee; the spans of its callers are then present too.
    """
    return eventually(
        lambda: jaeger.trace(placed.order.trace_id),
        f"the whole trace in Jaeger, with {[callee for callee, _ in PARENTS]}",
        accept=lambda trace: not trace.orphans and all(trace.find(*callee) for callee, _ in PARENTS),
        look_at=jaeger.trace_url(placed.order.trace_id),
        timeout=30,
    )


def the(trace: Trace, jaeger: Jaeger, service: str, kind: str, name: str) -> Span:
    """The only span of that service, kind and name."""
    found = trace.find(service, kind, name)
    if len(found) != 1:
        fail(f"one {kind} span {name!r} of {service}", f"{len(found)} among {trace}", jaeger.trace_url(trace.id))
    return found[0]


def test_the_trace_has_one_root_and_no_orphans(trace: Trace, jaeger: Jaeger) -> None:
    expect(len(trace.roots) == 1, "one root", trace, jaeger.trace_url(trace.id))
    root = trace.roots[0]
    expect(
        (root.service, root.kind, root.name) == ("orders", "server", "POST api/v1/orders"),
        "the root is orders' server span of POST api/v1/orders",
        root,
        jaeger.trace_url(trace.id),
    )
    expect(not trace.orphans, "no span without its parent", trace.orphans, jaeger.trace_url(trace.id))
    expect(trace.services == SERVICES, f"spans of {sorted(SERVICES)}", trace, jaeger.trace_url(trace.id))


@pytest.mark.parametrize(("child", "parent"), PARENTS, ids=lambda value: f"{value[0]}-{value[1]}-{value[2]}")
def test_each_call_is_a_child_of_its_caller(
    trace: Trace, jaeger: Jaeger, child: tuple[str, str, str], parent: tuple[str, str, str]
) -> None:
    callee, caller = the(trace, jaeger, *child), the(trace, jaeger, *parent)
    actual = trace.caller(callee)
    expect(actual == caller, f"{child} below {parent}", f"below {actual}", jaeger.trace_url(trace.id))


def test_the_event_is_consumed_only_by_its_consumers(trace: Trace, jaeger: Jaeger) -> None:
    consumers = {span.service for span in trace if span.kind == "consumer"}
    expect(consumers == {"notifications"}, "notifications alone consumes", consumers, jaeger.trace_url(trace.id))


# Stable semantic conventions: attribute names, and values if they are known.
ATTRIBUTES: list[tuple[tuple[str, str, str], dict[str, object]]] = [
    (
        ("orders", "server", "POST api/v1/orders"),
        {
            "http.request.method": "POST",
            "http.route": "api/v1/orders",
            "http.response.status_code": 201,
            "url.path": "/api/v1/orders",
            "url.scheme": "http",
            "server.address": ...,
            "server.port": ...,
        },
    ),
    (
        ("orders", "client", "POST /internal/v1/charges"),
        {
            "http.request.method": "POST",
            "http.response.status_code": 201,
            "url.template": "/internal/v1/charges",
            "server.address": ...,
            "server.port": ...,
            "peer.service": "payments",
        },
    ),
    (
        ("payments", "client", "POST /v1/charges"),
        {"http.request.method": "POST", "server.port": ..., "peer.service": "card-provider"},
    ),
    (
        ("orders", "client", "inventory.v1.Inventory/Reserve"),
        {
            "rpc.system": "grpc",
            "rpc.service": "inventory.v1.Inventory",
            "rpc.method": "Reserve",
            "rpc.grpc.status_code": 0,
            "server.address": ...,
            "peer.service": "inventory",
        },
    ),
    (
        ("inventory", "server", "inventory.v1.Inventory/Reserve"),
        {
            "rpc.system": "grpc",
            "rpc.service": "inventory.v1.Inventory",
            "rpc.method": "Reserve",
            "rpc.grpc.status_code": 0,
        },
    ),
    (
        ("orders", "producer", "events publish"),
        {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": ...,
            "messaging.operation.type": ...,
            "messaging.operation.name": ...,
            "messaging.message.id": ...,
            "peer.service": "rabbitmq",
        },
    ),
    (
        ("notifications", "consumer", CONSUMER),
        {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": ...,
            "messaging.operation.type": "process",
            "messaging.message.id": ...,
        },
    ),
]


@pytest.mark.parametrize(
    ("which", "wanted"), ATTRIBUTES, ids=lambda value: "-".join(value[:3]) if isinstance(value, tuple) else ""
)
def test_spans_carry_the_conventions_attributes(
    trace: Trace, jaeger: Jaeger, which: tuple[str, str, str], wanted: dict[str, object]
) -> None:
    span = the(trace, jaeger, *which)
    wrong = {
        name: span.attributes.get(name)
        for name, value in wanted.items()
        if name not in span.attributes or (value is not ... and span.attributes[name] != value)
    }
    expect(not wrong, f"{which} with {wanted}", f"{wrong} among {dict(span.attributes)}", jaeger.trace_url(trace.id))


def test_the_resource_names_the_process_of_a_span(trace: Trace, jaeger: Jaeger) -> None:
    instances = {span.instance for span in trace}
    wanted = {"users", "inventory-grpc", "orders", "orders-relay", "payments", "notifications-consumer"}
    expect(
        # Other consumers may have recorded theirs.
        wanted <= instances <= {process.name for process in CATALOGUE.processes()},
        "service.instance.id is each process's name",
        sorted(instances),
        jaeger.trace_url(trace.id),
    )
    for span in trace:
        for name in ("service.version", "deployment.environment.name"):
            expect(bool(span.resource.get(name)), f"{name} on every span", span, jaeger.trace_url(trace.id))


def test_statements_are_client_spans_without_values(trace: Trace, placed: Placed, jaeger: Jaeger) -> None:
    statements = [span for span in trace if "db.system.name" in span.attributes]
    callers = {span.service for span in statements}
    expect(callers == SERVICES, f"statements of {sorted(SERVICES)}", callers, jaeger.trace_url(trace.id))
    for span in statements:
        good = span.kind == "client" and span.attributes["db.system.name"] == "postgresql"
        expect(good, "client spans of postgresql", span, jaeger.trace_url(trace.id))
        text = json.dumps(dict(span.attributes))
        leaked = placed.order.id in text or placed.customer.email in text
        expect(not leaked, "no values in statements", text, jaeger.trace_url(trace.id))


def test_no_personal_data_is_in_the_trace(trace: Trace, placed: Placed, jaeger: Jaeger) -> None:
    for span in trace:
        text = json.dumps([span.name, dict(span.attributes)])
        leaked = placed.customer.email in text or "tok_ok" in text or "Bearer" in text
        expect(not leaked, "no address and no token in a span", text, jaeger.trace_url(trace.id))


def access_lines(lines: list[Document]) -> list[Document]:
    """The access lines of orders among the given lines."""
    return [
        line
        for line in lines
        if line["service.name"] == "orders" and line["http.response.status_code"] and line["event.duration"]
    ]


@pytest.fixture(scope="module")
def lines(placed: Placed, elasticsearch: Elasticsearch) -> list[Document]:
    """The order's log lines, once every service's have arrived and the access line, which orders writes last."""
    return eventually(
        lambda: elasticsearch.logs(trace__id=placed.order.trace_id),
        f"log lines of {sorted(SERVICES)} for the order's trace, and orders' access line",
        accept=lambda found: {line["service.name"] for line in found} >= SERVICES and access_lines(found),
        look_at=elasticsearch.search_url(f"trace.id:{placed.order.trace_id}"),
        timeout=30,
    )


def test_every_line_has_the_fields_that_link_it_to_other_signals(
    lines: list[Document], trace: Trace, elasticsearch: Elasticsearch
) -> None:
    spans = {span.id for span in trace}
    where = elasticsearch.search_url(f"trace.id:{trace.id}")
    names = ["@timestamp", "log.level", "log.logger", "message", "service.name", "service.version", "request.id"]
    for line in lines:
        missing = [name for name in names if not line[name]]
        expect(not missing, f"{names} in every line", f"without {missing}: {dict(line.source)}", where)
        expect(line["event.id"] == line.id, "event.id is the document's id", f"{line.id}: {line['event.id']}", where)
        expect(line["span.id"] in spans, "a span.id of the trace", f"{line}: {line['span.id']}", where)


def test_all_lines_of_the_order_have_one_request_id(
    lines: list[Document], trace: Trace, elasticsearch: Elasticsearch
) -> None:
    ids = {line["request.id"] for line in lines}
    expect(len(ids) == 1, "the same request.id in all services", ids, elasticsearch.search_url(f"trace.id:{trace.id}"))


def test_the_access_line_has_the_response(lines: list[Document], elasticsearch: Elasticsearch, trace: Trace) -> None:
    access = access_lines(lines)
    where = elasticsearch.search_url(f"trace.id:{trace.id}")
    expect(len(access) == 1, "one access line of orders", [str(line) for line in lines], where)
    line = access[0]
    actual = (line["http.request.method"], line["http.response.status_code"], line["url.path"])
    expect(actual == ("POST", 201, "/api/v1/orders"), "POST 201 /api/v1/orders", actual, where)
    root = trace.roots[0]
    # Nanoseconds, measured around the same work as the span.
    expect(
        abs(line["event.duration"] / 1000 - root.duration_us) < 50_000,
        "event.duration in nanoseconds, like the span's duration",
        f"{line['event.duration']} ns and {root.duration_us} us",
        where,
    )


def test_no_personal_data_is_in_the_logs(lines: list[Document], placed: Placed, elasticsearch: Elasticsearch) -> None:
    for line in lines:
        text = json.dumps(line.source)
        leaked = placed.customer.email in text or "tok_ok" in text or "Bearer " in text
        expect(not leaked, "no address and no token in a line", text, elasticsearch.search_url(f"_id:{line.id}"))


@pytest.mark.parametrize(
    "family",
    [
        "django_http_requests_latency_seconds_by_view_method_bucket",
        "dependency_call_duration_seconds_bucket",
    ],
)
def test_an_exemplar_of_the_latency_links_to_its_trace(
    placed: Placed, shop: Shop, prometheus: Prometheus, jaeger: Jaeger, family: str
) -> None:
    query = f'{family}{{service="orders"}}'

    def leading() -> Trace | None:
        # Other requests may replace the order's exemplar in its bucket before a scrape: any of the last ones counts.
        for trace_id in sorted(prometheus.exemplar_trace_ids(query, seconds=60)):
            trace = jaeger.trace(trace_id)
            if trace.find("orders", "server"):
                return trace
        placed.customer.order(shop.items())
        return None

    eventually(
        leading,
        f"an exemplar of {query} that leads to a trace",
        look_at=prometheus.graph_url(query),
        timeout=40,
        longest_pause=3,
    )


def test_the_order_is_counted(placed: Placed, shop: Shop, prometheus: Prometheus) -> None:
    query = 'sum(orders_placed_total{service="orders"})'

    def count() -> float:
        series = prometheus.query(query)
        return series[0][1] if series else 0.0

    before = eventually(count, "orders_placed_total", look_at=prometheus.graph_url(query))
    placed.customer.order(shop.items())
    eventually(
        count, f"more than {before} orders", accept=lambda now: now > before, look_at=prometheus.graph_url(query)
    )


def test_the_mail_contains_the_order_and_its_trace(placed: Placed, mailbox: Mailbox) -> None:
    mails = eventually(
        lambda: mailbox.about(placed.order.id), f"a mail about {placed.order.id}", look_at=str(mailbox.folder)
    )
    expect(len(mails) == 1, "one mail", len(mails), str(mailbox.folder))
    mail = mails[0]
    expect(mail["To"] == placed.customer.email, f"a mail to {placed.customer.email}", mail["To"], str(mailbox.folder))
    expect(mail["X-Trace-ID"] == placed.order.trace_id, placed.order.trace_id, mail["X-Trace-ID"], str(mailbox.folder))


def test_the_notification_is_listed_with_its_trace(placed: Placed, shop: Shop) -> None:
    address = f"{shop.urls.notifications}/api/v1/notifications"
    entries = eventually(placed.customer.notifications, "a notification of the order", look_at=address)
    about = [entry for entry in entries if entry["order_id"] == placed.order.id]
    expect(len(about) == 1, "one notification of the order", entries, address)
    entry = about[0]
    actual = (entry["kind"], entry["trace_id"])
    expect(
        actual == ("order_confirmed", placed.order.trace_id),
        f"order_confirmed {placed.order.trace_id}",
        actual,
        address,
    )


def test_an_exception_is_stored_with_its_trace_id_and_its_release(
    platform: Platform,
    rabbitmq: RabbitMq,
    elasticsearch: Elasticsearch,
    mailbox: Mailbox,
) -> None:
    """The consumer waits for a locked row. It fails, reports the error, and succeeds on redelivery."""
    order_id, trace_id = str(uuid.uuid4()), uuid.uuid4().hex
    event = confirmed(order_id)
    row = {
        "id": uuid.uuid4(),
        "event_id": uuid.UUID(event["id"]),
        "order_id": uuid.UUID(order_id),
        "user_id": uuid.uuid4(),
        "kind": "order_confirmed",
        "recipient": "unknown@example.com",
        "subject": "Held by a test",
        "sent_at": datetime.now(UTC),
        "trace_id": trace_id,
    }
    columns = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    with as_administrator(platform, "notifications") as connection:
        # Never committed: the consumer waits for it until its lock timeout.
        connection.execute(f"INSERT INTO mailing_notification ({columns}) VALUES ({values})", row)
        rabbitmq.publish(
            EVENT_EXCHANGE,
            ORDER_CONFIRMED,
            encode(event),
            message_id=event["id"],
            headers={"traceparent": f"00-{trace_id}-{uuid.uuid4().hex[:16]}-01"},
        )
        errors = f"{elasticsearch.url}/{ERRORS}/_search?q=trace.id:{trace_id}"
        found = eventually(
            lambda: elasticsearch.errors(trace__id=trace_id),
            f"an error of trace {trace_id}",
            look_at=errors,
            timeout=30,
        )[0]
        connection.rollback()
    exceptions = {exception["type"] for exception in found["error.exception"]}
    expect(bool({"OperationalError", "LockNotAvailable"} & exceptions), "the lock timeout", found.source, errors)
    actual = (found["service.name"], found["service.node.name"], found["service.version"], found.id)
    expected = ("notifications", "notifications-consumer", platform.settings.service_version, found["event.id"])
    expect(actual == expected, str(expected), actual, errors)
    expect(len(found["error.grouping_key"]) == 32, "the key of its group", found["error.grouping_key"], errors)
    logged = eventually(
        lambda: elasticsearch.logs(trace__id=trace_id, service__name="notifications"),
        f"a log line with the error of trace {trace_id}",
        accept=lambda lines: any(line["error.type"] for line in lines),
        look_at=elasticsearch.search_url(f"trace.id:{trace_id}"),
    )
    expect(
        all(line["event.id"] == line.id for line in logged),
        "event.id is the document's id",
        [(line.id, line["event.id"]) for line in logged],
        elasticsearch.search_url(f"trace.id:{trace_id}"),
    )
    mails = eventually(lambda: mailbox.about(order_id), "the mail after all", look_at=str(mailbox.folder), timeout=30)
    expect(len(mails) == 1, "one mail", len(mails), str(mailbox.folder))
