"""Builds the URLs of all pages of the console, with every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from shell.timerange import TimeRange

Values = str | Sequence[str]


def _address(path: str, params: Mapping[str, Values | None], timerange: TimeRange | None = None) -> str:
    given = {name: value for name, value in params.items() if value}
    query = "&".join(part for part in (urlencode(given, doseq=True), timerange.query() if timerange else "") if part)
    return f"{path}?{query}" if query else path


def trace(trace_id: str, span_id: str = "") -> str:
    """Return the URL of one trace; `span_id` selects one of its spans."""
    return _address(f"/traces/{quote(trace_id, safe='')}", {"span": span_id})


def compare(left: str, right: str) -> str:
    """Return the URL of a comparison of two traces."""
    return _address("/traces/compare", {"a": left, "b": right})


def traces(
    service: str = "",
    *,
    operation: str = "",
    error: bool = False,
    tags: Mapping[str, str] | None = None,
    timerange: TimeRange | None = None,
) -> str:
    """Return the URL of a search for traces. `tags` are span attributes (one `tags=key=value` each)."""
    params: dict[str, Values | None] = {
        "service": service,
        "operation": operation,
        "error": "true" if error else None,
        "tags": [f"{name}={value}" for name, value in (tags or {}).items()],
    }
    return _address("/traces", params, timerange)


def logs(query: str = "", timerange: TimeRange | None = None) -> str:
    """Return the URL of log lines that match a query (`service.name:"orders" and log.level:error`)."""
    return _address("/logs", {"query": query}, timerange)


def logs_of_service(name: str, timerange: TimeRange | None = None) -> str:
    """Return the URL of one service's log lines."""
    return logs(f'service.name:"{escape_term(name)}"', timerange)


def logs_of_trace(trace_id: str, timerange: TimeRange | None = None) -> str:
    """Return the URL of one trace's log lines."""
    return logs(f'trace.id:"{escape_term(trace_id)}"', timerange)


def escape_term(value: str) -> str:
    """Escape a value for use between double quotes in a log query."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def service(name: str) -> str:
    """Return the URL of the page of a service or a dependency."""
    return f"/services/{quote(name, safe='')}"


def services() -> str:
    """Return the URL of the service map."""
    return "/services"


def board(uid: str, variables: Mapping[str, Values] | None = None, timerange: TimeRange | None = None) -> str:
    """Return the URL of a dashboard with values for its variables."""
    params: dict[str, Values | None] = {f"var-{name}": value for name, value in (variables or {}).items()}
    return _address(f"/d/{quote(uid, safe='')}", params, timerange)


def boards() -> str:
    """Return the URL of the list of dashboards."""
    return "/dashboards/"


def runbook(alert: str) -> str:
    """Return the URL of an alert's runbook."""
    return f"/runbooks/{quote(alert, safe='')}"


def incident(incident_id: object) -> str:
    """Return the URL of an incident."""
    return f"/incidents/{quote(str(incident_id), safe='')}/"


def incidents() -> str:
    """Return the URL of the open incidents."""
    return "/"
