"""Who feels whose fault, from the catalogue's calls and events."""

from __future__ import annotations

from contracts.catalogue import Catalogue

PLATFORM_TEAM = "platform"


def nodes(catalogue: Catalogue) -> list[str]:
    """Everything that can be a cause: services first, then what they call."""
    return [*catalogue.services, *catalogue.external]


def product(catalogue: Catalogue) -> str:
    """A matcher for what serves customers. What operators ask of a backend by hand may fail or take long: the backend
    has alerts of its own, and nobody is to be woken twice."""
    return f'service!~"{"|".join(catalogue.for_operators())}"'


def callers_of(catalogue: Catalogue, name: str) -> list[str]:
    """Every service that reaches `name` through calls, over any number of hops, in the catalogue's order."""
    found = catalogue.upstream_of(name) - {name}
    return [service for service in catalogue.services if service in found]


def affected_by(catalogue: Catalogue, name: str) -> list[str]:
    """Every other service that suffers when `name` fails: callers, and consumers of events, over any number of hops."""
    found: set[str] = set()
    frontier = {name}
    while frontier:
        callers = {edge.caller for edge in catalogue.edges() if edge.callee in frontier}
        consumers = {consumer for publisher, consumer in catalogue.event_edges() if publisher in frontier}
        frontier = (callers | consumers) - found - {name}
        found |= frontier
    return [service for service in catalogue.services if service in found]


def owner_of(catalogue: Catalogue, name: str) -> str:
    """The team that answers for a node: its owner; for something external its callers' owner where they have one."""
    if name in catalogue.services:
        return catalogue.services[name].owner
    owners = {catalogue.services[edge.caller].owner for edge in catalogue.edges() if edge.callee == name}
    return owners.pop() if len(owners) == 1 else PLATFORM_TEAM


def teams(catalogue: Catalogue) -> list[str]:
    """Every team, the platform's last."""
    owners = dict.fromkeys(service.owner for service in catalogue.services.values())
    return [*(owner for owner in owners if owner != PLATFORM_TEAM), PLATFORM_TEAM]
