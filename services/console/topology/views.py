"""The map of services, and a page for each."""

from __future__ import annotations

from typing import Any

import catalogue
from backends import prometheus
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from shell.fragments import fragment
from shell.timerange import TimeRange

from topology import charts, graph, health

# The dashboards with more details about an external dependency.
_BOARDS = {"postgresql": "platform-databases", "rabbitmq": "platform-messaging"}
_TELEMETRY_BOARD = "platform-telemetry"
_EDGES_BOARD = "platform-edges"
_SERVICE_BOARD = "platform-service"


@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """All services: the map, every edge, every service."""
    drawn = graph.build(catalogue.load())
    context = {"nav": "services", "graph": _as_json(drawn), "timerange": TimeRange.from_request(request)}
    return render(request, "topology/services.html", context)


@require_safe
@fragment("the state of services and their calls")
def state(request: HttpRequest) -> HttpResponse:
    """The data of the map: each edge and service over the time range."""
    known = catalogue.load()
    drawn = graph.build(known)
    timerange = TimeRange.from_request(request)
    at = _at(timerange)
    client = prometheus.client()
    flows = health.edges(client, drawn, at, timerange.seconds)
    served = health.services(client, at, timerange.seconds)
    replicas = health.replicas(client, at=at)
    alerts = health.alerts(client, at=at)
    rows, node_states = [], {}
    for name, service in known.services.items():
        blamed = [alert for alert in alerts if alert.root_service == name]
        running = replicas.get(name, [])
        node_states[name] = _service_state(served.get(name), running, blamed)
        rows.append(
            {
                "service": service,
                "flow": served.get(name, health.NO_CALLS),
                "replicas": running,
                "up": sum(replica.up for replica in running),
                "versions": sorted({replica.version for replica in running if replica.version}),
                "alerts": blamed,
                "state": node_states[name],
            }
        )
    for node in drawn.nodes:
        if not node.is_service:
            seen = health.worst(flows[edge.key].state for edge in drawn.callers_of(node.name))
            blamed = [alert for alert in alerts if alert.root_service == node.name]
            node_states[node.name] = health.worst([seen, *map(health.state_of, blamed)])
    context = {
        "edges": [{"edge": edge, "flow": flows[edge.key]} for edge in drawn.edges],
        "rows": rows,
        "data": {
            "nodes": node_states,
            "edges": [
                {"key": "|".join(key), "rate": flow.rate, "failed": flow.failed, "p95": flow.p95, "state": flow.state}
                for key, flow in flows.items()
            ],
        },
    }
    return render(request, "topology/_state.html", context)


@require_safe
def service(request: HttpRequest, name: str) -> HttpResponse:
    """The page of one service, or of one external dependency."""
    known = catalogue.load()
    if name not in known.services and name not in known.external:
        raise Http404(f"The catalogue has no {name}.")
    drawn = graph.build(known)
    context = {
        "nav": "services",
        "name": name,
        "service": known.services.get(name),
        "external": known.external.get(name),
        "calls": drawn.calls_of(name),
        "callers": drawn.callers_of(name),
        "events": [event for event in known.events if name == event.publisher or name in event.consumers],
        "journeys": [journey for journey in known.journeys.values() if journey.service == name],
        "board": _SERVICE_BOARD if name in known.services else _BOARDS.get(name, _TELEMETRY_BOARD),
        "board_variables": {"service": name} if name in known.services else {},
        "edges_board": _EDGES_BOARD,
        "timerange": TimeRange.from_request(request),
    }
    return render(request, "topology/service.html", context)


@require_safe
@fragment("the state of this service")
def service_state(request: HttpRequest, name: str) -> HttpResponse:
    """A node's alerts, replicas, budgets and edges at the end of the time range."""
    known = catalogue.load()
    if name not in known.services and name not in known.external:
        raise Http404(f"The catalogue has no {name}.")
    drawn = graph.build(known)
    timerange = TimeRange.from_request(request)
    at = _at(timerange)
    client = prometheus.client()
    flows = health.edges(client, drawn, at, timerange.seconds)
    journeys = {key: journey for key, journey in known.journeys.items() if journey.service == name}
    is_service = name in known.services
    context = {
        "name": name,
        "is_service": is_service,
        "alerts": health.alerts(client, name, at),
        "flow": health.services(client, at, timerange.seconds).get(name, health.NO_CALLS) if is_service else None,
        "timerange": timerange,
        "replicas": health.replicas(client, name, at).get(name, []) if is_service else [],
        "budgets": [
            {"budget": budget, "journey": journeys[budget.journey]}
            for budget in health.budgets(client, journeys, at)
            if budget.journey in journeys
        ],
        "calls": [{"edge": edge, "flow": flows[edge.key]} for edge in drawn.calls_of(name)],
        "callers": [{"edge": edge, "flow": flows[edge.key]} for edge in drawn.callers_of(name)],
    }
    return render(request, "topology/_service_state.html", context)


@require_safe
@fragment("the charts of this service")
def service_charts(request: HttpRequest, name: str) -> HttpResponse:
    """A node's charts over the time range."""
    known = catalogue.load()
    if name not in known.services and name not in known.external:
        raise Http404(f"The catalogue has no {name}.")
    timerange = TimeRange.from_request(request)
    wanted = charts.of_service(name) if name in known.services else charts.of_dependency(name)
    client = prometheus.client()
    context = {"charts": [charts.draw(client, chart, timerange) for chart in wanted]}
    return render(request, "topology/_charts.html", context)


def _at(timerange: TimeRange) -> float | None:
    """Return the time to query; None for now, which is then Prometheus's own clock."""
    return None if timerange.is_live else timerange.end


def _service_state(flow: health.Flow | None, replicas: list[health.Replica], blamed: list[health.Alert]) -> str:
    states = [health.OK if replica.up else health.CRITICAL for replica in replicas]
    return health.worst([*states, *map(health.state_of, blamed), flow.state if flow else health.IDLE])


def _as_json(drawn: graph.Graph) -> dict[str, Any]:
    """Return the map's static data, without any state."""
    return {
        "columns": max(node.column for node in drawn.nodes) + 1,
        "nodes": [
            {"name": node.name, "title": node.title, "service": node.is_service, "x": node.column, "y": node.row}
            for node in drawn.nodes
        ],
        "edges": [
            {"key": "|".join(edge.key), "from": edge.caller, "to": edge.callee, "protocol": edge.protocol}
            for edge in drawn.edges
        ],
    }
