"""The catalogue's graph, laid out."""

from __future__ import annotations

import catalogue
from catalogue import Catalogue, Dependency, Service
from topology import graph


def of(*edges: tuple[str, str]) -> Catalogue:
    """A catalogue of services that call each other."""
    names = sorted({name for edge in edges for name in edge})
    services = {
        name: Service(
            name, name, "", "team", name, name, (), tuple(Dependency(a, b, "http") for a, b in edges if a == name)
        )
        for name in names
    }
    return Catalogue(services, {}, {}, {})


def test_every_call_and_every_event_is_an_edge() -> None:
    known = catalogue.load()
    drawn = graph.build(known)
    calls = {(edge.caller, edge.callee) for edge in drawn.edges if edge.protocol != graph.EVENTS}
    events = {(edge.caller, edge.callee) for edge in drawn.edges if edge.protocol == graph.EVENTS}
    assert calls == {(edge.caller, edge.callee) for edge in known.edges()}
    assert events == known.event_edges()


def test_callers_are_placed_left_of_their_callees() -> None:
    drawn = graph.build(catalogue.load())
    column = {node.name: node.column for node in drawn.nodes}
    for edge in drawn.edges:
        if edge.protocol != graph.EVENTS:
            assert column[edge.caller] < column[edge.callee], edge


def test_a_cycle_of_calls_is_still_drawn() -> None:
    drawn = graph.build(of(("a", "b"), ("b", "c"), ("c", "a")))
    assert {node.name for node in drawn.nodes} == {"a", "b", "c"}


def test_no_two_nodes_share_a_place() -> None:
    drawn = graph.build(catalogue.load())
    places = [(node.column, node.row) for node in drawn.nodes]
    assert len(places) == len(set(places))


def test_the_edges_of_a_node_are_found_from_both_ends() -> None:
    drawn = graph.build(of(("a", "b"), ("b", "c")))
    assert [edge.callee for edge in drawn.calls_of("b")] == ["c"]
    assert [edge.caller for edge in drawn.callers_of("b")] == ["a"]
