"""From spans to links."""

from __future__ import annotations

from jaeger_dependencies.links import Caller, Entry, from_entries


def test_a_consumer_is_linked_to_its_publisher_although_the_publisher_named_the_broker() -> None:
    links = from_entries([Entry("notifications", "p1")], {"p1": Caller("orders", "rabbitmq")})
    assert links == {("orders", "notifications"): 1}


def test_a_call_with_a_named_callee_is_not_counted_again() -> None:
    assert from_entries([Entry("users", "c1")], {"c1": Caller("orders", "users")}) == {}


def test_a_call_without_a_named_callee_is_counted_by_the_callee() -> None:
    entries = [Entry("users", "c1"), Entry("users", "c2")]
    callers = {"c1": Caller("orders", ""), "c2": Caller("orders", "")}
    assert from_entries(entries, callers) == {("orders", "users"): 2}


def test_a_step_within_a_service_is_not_a_link() -> None:
    assert from_entries([Entry("orders", "c1")], {"c1": Caller("orders", "")}) == {}


def test_an_entry_with_a_missing_caller_is_left_out() -> None:
    assert from_entries([Entry("users", "missing")], {}) == {}
