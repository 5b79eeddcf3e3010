"""Links of panels: to other dashboards, traces, logs, the console and runbooks.

The addresses of other programs are hidden variables of each dashboard (console_url, jaeger_url, kibana_url), so that a
file fits every installation. Links to dashboards are relative.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

# The `service` label of the clicked series.
SERVICE_OF_SERIES = "${__field.labels.service}"
# The ID of Kibana's data view over logs-django-*.
DATA_VIEW = "logs-django"

_JAEGER_WINDOW = "start=${__from}000&end=${__to}000&lookback=custom&limit=50"
_KIBANA_WINDOW = "_g=(time:(from:'${__from:date:iso}',to:'${__to:date:iso}'))"


@dataclass(frozen=True)
class Link:
    """A link with its title. The URL may use Grafana's variables."""

    title: str
    url: str
    new_tab: bool = True

    def build(self) -> DashboardLink:
        return DashboardLink(self.title).type(DashboardLinkType.LINK).url(self.url).target_blank(self.new_tab)


def board(uid: str, title: str, *variables: str, service: str = "") -> Link:
    """Another dashboard with the same time range and the current values of `variables`, or with a fixed `service`."""
    carried = "".join(f"&${{{name}:queryparam}}" for name in variables)
    fixed = f"&var-service={service}" if service else ""
    return Link(title, f"/d/{uid}?${{__url_time_range}}{carried}{fixed}", new_tab=False)


def traces(service: str = SERVICE_OF_SERIES, tags: str = "", title: str = "") -> Link:
    """Jaeger's search for a service's traces in the time range. `tags` is a JSON object of span attributes."""
    wanted = f"&tags={quote(tags)}" if tags else ""
    url = f"${{jaeger_url}}/search?service={service}&{_JAEGER_WINDOW}{wanted}"
    return Link(title or ("Traces with errors" if tags else "Traces"), url)


def failed_traces(service: str = SERVICE_OF_SERIES) -> Link:
    """Jaeger's search for a service's failed traces in the time range."""
    return traces(service, '{"error":"true"}')


def trace(trace_id: str) -> Link:
    """The page of one trace in Jaeger."""
    return Link("Open the trace", f"${{jaeger_url}}/trace/{trace_id}")


def logs(kql: str, title: str = "Log lines") -> Link:
    """Kibana's log lines in the time range that match a KQL query, which may use variables (`${service:lucene}`)."""
    # Escaped by hand: urlencode would also escape Grafana's variables, which are replaced before the link is opened.
    safe = kql.replace("'", "!'").replace(" ", "%20").replace('"', "%22")
    query = f"query:(language:kuery,query:'{safe}')"
    source = f"dataSource:(dataViewId:{DATA_VIEW},type:dataView)"
    return Link(title, f"${{kibana_url}}/app/discover#/?{_KIBANA_WINDOW}&_a=({source},{query})")


def logs_of_series() -> Link:
    """The log lines of the clicked series' service."""
    return logs(f'service.name:"{SERVICE_OF_SERIES}"')


def runbook(alert: str) -> Link:
    """The runbook of an alert, in the console."""
    return Link(f"Runbook {alert}", f"${{console_url}}/runbooks/{alert}")


def incidents() -> Link:
    """The console's page of current incidents."""
    return Link("Incidents", "${console_url}/")
