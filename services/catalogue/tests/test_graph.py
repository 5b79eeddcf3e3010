"""Affected services, and the paths from them to a cause."""

import catalogue
import pytest
from catalogue import graph

CATALOGUE = catalogue.load()


def test_the_path_leads_over_calls() -> None:
    path = graph.path(CATALOGUE, "orders", "card-provider")
    assert path is not None
    assert [(hop.affected, hop.cause, hop.protocol) for hop in path] == [
        ("orders", "payments", "http"),
        ("payments", "card-provider", "http"),
    ]


def test_the_path_leads_over_events() -> None:
    path = graph.path(CATALOGUE, "notifications", "payments")
    assert path is not None
    assert [(hop.cause, hop.protocol) for hop in path] == [("orders", "event"), ("payments", "http")]


def test_there_is_no_path_between_unconnected_nodes() -> None:
    assert graph.path(CATALOGUE, "inventory", "payments") is None
    assert graph.path(CATALOGUE, "orders", "elasticsearch") is None
    assert graph.path(CATALOGUE, "orders", "orders") == ()


@pytest.mark.parametrize("name", [*CATALOGUE.services, *CATALOGUE.external])
def test_everything_that_reaches_a_cause_by_calls_is_affected(name: str) -> None:
    expected = set(graph.callers_of(CATALOGUE, name))
    assert expected <= set(graph.affected_by(CATALOGUE, name))
    for affected in graph.affected_by(CATALOGUE, name):
        path = graph.path(CATALOGUE, affected, name)
        assert path, f"{affected} is affected by {name}, without a path"
        assert path[-1].cause == name


def test_a_consumer_of_events_is_affected_by_their_publisher_and_a_publisher_not_by_its_consumer() -> None:
    assert "notifications" in graph.affected_by(CATALOGUE, "payments")
    assert "notifications" not in graph.callers_of(CATALOGUE, "payments")
    assert "orders" not in graph.affected_by(CATALOGUE, "notifications")


def test_nothing_affects_itself_in_the_graph() -> None:
    for name in graph.nodes(CATALOGUE):
        assert name not in graph.affected_by(CATALOGUE, name), name


def test_a_call_is_preferred_to_an_event_on_a_path_of_equal_length() -> None:
    path = graph.path(CATALOGUE, "notifications", "users")
    assert path is not None
    assert [(hop.affected, hop.cause, hop.protocol) for hop in path] == [("notifications", "users", "http")]


def test_an_order_crosses_the_services_it_calls_and_the_consumers_of_its_confirmation() -> None:
    crossed = graph.crossed_by(CATALOGUE, "place-order")
    assert {"users", "inventory", "orders", "payments", "notifications"} <= set(crossed)
    assert not set(crossed) & set(CATALOGUE.for_operators())
    assert graph.crossed_by(CATALOGUE, "browse") == ["inventory"]
