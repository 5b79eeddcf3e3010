"""The catalogue loads, an inconsistent one is refused, and its graph is walked over calls and events."""

from pathlib import Path

import catalogue
import pytest
from catalogue import graph


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = catalogue.default_path().read_text()
    assert old in text, f"the catalogue no longer holds {old!r}; adapt this test"
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_graph_spans_several_hops() -> None:
    assert graph.callers_of(catalogue.load(), "card-provider") == ["orders", "payments"]


def test_the_product_consists_of_the_services_for_customers() -> None:
    known = catalogue.load()
    assert list(known.for_operators()) == ["console"]
    assert {**known.for_customers(), **known.for_operators()} == dict(known.services)
    assert not graph.callers_of(known, "console")


def test_a_caller_reads_an_address_from_the_variable_of_its_protocol() -> None:
    variables = {(edge.caller, edge.callee): edge.variable for edge in catalogue.load().edges()}
    assert variables["orders", "users"] == "USERS_URL"
    assert variables["orders", "inventory"] == "INVENTORY_GRPC_TARGET"
    assert variables["orders", "postgresql"] == "DATABASE_URL"
    assert variables["payments", "card-provider"] == "CARD_PROVIDER_URL"
    assert variables["payments", "rabbitmq"] == "RABBITMQ_URL"


def test_a_variable_can_have_another_name(tmp_path: Path) -> None:
    path = changed(tmp_path, "proxy_port: 18031", "proxy_port: 18031, variable: ACCOUNTS_URL")
    assert {edge.variable for edge in catalogue.load(path).edges() if edge.callee == "users"} == {
        "ACCOUNTS_URL",
        "USERS_URL",
    }


def test_internal_callers_are_those_with_a_token_and_operators() -> None:
    known = catalogue.load()
    assert known.internal_callers("users") == ("orders", "console")
    assert known.internal_callers("payments") == ("orders", "console")
    assert known.internal_callers("orders") == ()


def test_an_event_names_its_publisher_and_the_queue_of_each_consumer() -> None:
    cancelled = next(event for event in catalogue.load().events if event.type == "order.cancelled.v1")
    assert cancelled.publisher == "orders"
    assert cancelled.consumers == {"payments": "payments.order-cancelled", "notifications": "notifications.orders"}


def test_a_queue_is_bound_by_its_event_types_unless_it_has_other_bindings() -> None:
    queues = catalogue.load().queues
    assert queues["payments.order-cancelled"].bindings == ("order.cancelled.v1",)
    assert queues["notifications.orders"].bindings == ("order.#",)


WRONG = {
    "a dependency on something unknown": (
        "service: users, protocol: http",
        "service: accounts, protocol: http",
        "services.orders.depends_on: accounts is not in the catalogue",
    ),
    "an unknown protocol": ("protocol: grpc", "protocol: soap", "'soap' is not one of"),
    "a callee without such a process": (
        "service: users, protocol: http, proxy_port: 18031",
        "service: users, protocol: grpc, proxy_port: 18031",
        "services.orders.depends_on: users has no process that answers grpc",
    ),
    "a shared port": ("metrics_port: 8102", "metrics_port: 8101", "port 8101 belongs to both users and inventory"),
    "a port that only root may use": ("metrics_port: 8102", "metrics_port: 80", "80 is less than the minimum of 1024"),
    "an unknown kind": ("kind: grpc", "kind: magic", "'magic' is not one of"),
    "a web process without a port": ("kind: web, http_port: 8002,", "kind: web,", "processes.inventory.http_port"),
    "a worker with a port": (
        "kind: worker, metrics_port: 8113",
        "kind: worker, http_port: 8213, metrics_port: 8113",
        "services.orders.processes.orders-relay.http_port",
    ),
    "a worker without a command": (", command: relay", "", "services.orders.processes.orders-relay.command"),
    "a process of another name": ("orders-relay:", "relay:", "the name must begin with orders-"),
    "a service without a web process": (
        "notifications: {kind: web, http_port: 8005,",
        "notifications-more: {kind: grpc, command: serve, grpc_port: 8005,",
        "services.notifications.processes: one web process of the service's name is needed, found \\[\\]",
    ),
    "an unknown audience": (
        "audience: operators",
        "audience: robots",
        "services.console.audience: 'robots' is not one",
    ),
    "an unknown field": ("seed: seed_products", "seeds: seed_products", "'seeds' was unexpected"),
    "a missing field": ("    owner: supply\n", "", "services.inventory: 'owner' is a required property"),
    "a dependency on a service for operators": (
        "service: card-provider, protocol: http, proxy_port: 18046",
        "service: console, protocol: http",
        "services.payments.depends_on: console is for operators only",
    ),
    "a proxy in front of a backend": (
        "service: prometheus, protocol: http",
        "service: prometheus, protocol: http, proxy_port: 18090",
        "services.console.depends_on: prometheus: only calls by http or grpc to services and programs have a proxy",
    ),
    "a token for a backend": (
        "service: prometheus, protocol: http",
        "service: prometheus, protocol: http, token: true",
        "services.console.depends_on: prometheus: only services of this catalogue take service tokens",
    ),
    "a variable twice": (
        "proxy_port: 18034",
        "proxy_port: 18034, variable: USERS_URL",
        "services.orders.depends_on: two dependencies have the variable USERS_URL",
    ),
    "an event that is not published": (
        "publishes: [order.confirmed.v1, order.cancelled.v1]",
        "publishes: [order.confirmed.v1]",
        "services.payments.consumes.payments.order-cancelled: no service publishes order.cancelled.v1",
    ),
    "a queue of another owner": (
        "payments.order-cancelled:",
        "orders.cancelled:",
        "services.payments.consumes.orders.cancelled: the queue's name must begin with payments",
    ),
    "no edge to its database": (
        "      - {service: postgresql, protocol: sql}\n\n  inventory",
        "      []\n\n  inventory",
        "services.users.depends_on: a dependency by sql is needed for its database",
    ),
    "a database twice": ("database: payments", "database: orders", "services: two have the database orders"),
    "two issuers of tokens": (
        "seed: seed_products",
        "issues_tokens: true",
        "only one may have issues_tokens, found users, inventory",
    ),
    "a journey of no service": (
        "service: orders\n    route",
        "service: baskets\n    route",
        "journeys.place-order.service: baskets is not a service",
    ),
    "a journey that publishes what its service doesn't": (
        "    method: GET\n",
        "    method: GET\n    publishes: [order.confirmed.v1]\n",
        "journeys.browse.publishes: inventory does not publish order.confirmed.v1",
    ),
    "a program of no service": ("part_of: payments", "part_of: acquirers", "card-provider is part of acquirers"),
    "no YAML": ("services:\n", "services: [\n", "not YAML"),
}


@pytest.mark.parametrize(("old", "new", "says"), WRONG.values(), ids=WRONG)
def test_an_inconsistency_is_refused_and_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(catalogue.CatalogueError, match=says):
        catalogue.load(changed(tmp_path, old, new))


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, "metrics_port: 8102", "metrics_port: 8101")
    path.write_text(path.read_text().replace("database: payments", "database: orders"))
    with pytest.raises(catalogue.CatalogueError, match=r"(?s)port 8101.*database orders"):
        catalogue.load(path)


def test_every_field_of_a_service_is_explained_in_the_schema() -> None:
    for name, field in catalogue.schema()["$defs"]["service"]["properties"].items():
        assert field.get("description"), f"{name} has no description"
