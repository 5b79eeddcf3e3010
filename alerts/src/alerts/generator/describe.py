"""Labels and annotations that every alert has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from catalogue import Catalogue, graph

from alerts.generator.model import Alert, Layer, Severity

# Base addresses of the links in alerts. A Prometheus with an external label of the same name uses its value instead:
# for example Grafana's /d for dashboards_url, or Jaeger's /search for traces_url.
ADDRESSES = {
    "dashboards_url": "http://127.0.0.1:8000/dashboards",
    "traces_url": "http://127.0.0.1:8000/traces",
    "logs_url": "http://127.0.0.1:8000/logs",
    "runbooks_url": "http://127.0.0.1:8000/runbooks",
}
Dashboard = Literal["overview", "service", "edges", "messaging", "databases", "telemetry", "django", "drills"]
SERVICE = "{{ $labels.service }}"


# `keep_firing_for` of pages about causes: until the burn-rate alert that a cause explains has ended too, which looks
# back a minute. Expressions over rates look back as far themselves and need less.
KEEP, KEEP_AFTER_RATES = "75s", "20s"
# Backends also explain causes in the services that use them (for example a full outbox), which end a little later.
KEEP_OF_BACKENDS = "105s"
# Expressions that stay true for a minute or more after the fault has ended.
_LOOKS_BACK = re.compile(r"rate1m|increase2m|(?:rate|increase|changes)\([^()]*\[[1-9]m\]")


def _keep(expr: str) -> str:
    return KEEP_AFTER_RATES if _LOOKS_BACK.search(expr) else KEEP


def base(name: str) -> str:
    """A Prometheus template for the base address `name`: the external label if there is one, else the default."""
    return f'{{{{ or $externalLabels.{name} "{ADDRESSES[name]}" }}}}'


@dataclass(frozen=True)
class Subject:
    """What an alert is about, and what its links open.

    `root` is the service that is the cause; `labels` are added to those of the expression. The team is the owner of
    `owner`, by default of the root. `logs` is a KQL query; `traces` is the service whose traces are listed.
    """

    dashboard: Dashboard
    root: str = SERVICE
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    logs: str = f'service.name:"{SERVICE}"'
    traces: str = SERVICE

    @classmethod
    def backend(cls, dashboard: Dashboard, name: str, *, process: str = "") -> Subject:
        """A backend as a whole, whose expressions have no service label. Links to its own log and to orders' traces."""
        return cls(
            dashboard, root=name, labels={"service": name}, logs=f'process.name:"{process or name}"', traces="orders"
        )


class Describer:
    """Builds alerts with the common labels (layer, severity, team, root_service) and annotations (texts, links)."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def alert(
        self,
        name: str,
        expr: str,
        *,
        lasting: str,
        layer: Layer,
        severity: Severity,
        summary: str,
        description: str,
        about: Subject,
    ) -> Alert:
        """An alerting rule. `lasting` is Prometheus's `for`. Pages about causes get a `keep_firing_for`."""
        service = about.labels.get("service", SERVICE)
        scope = f"?var-service={service}" if about.dashboard in ("service", "edges", "django") else ""
        return Alert(
            name,
            expr,
            lasting,
            labels={
                "layer": layer,
                "severity": severity,
                "team": self.team(about.owner or about.root),
                "root_service": about.root,
                **about.labels,
            },
            annotations={
                "summary": summary,
                "description": description,
                "runbook_url": f"{base('runbooks_url')}/{name}",
                "dashboard_url": f"{base('dashboards_url')}/platform-{about.dashboard}{scope}",
                "traces_url": f"{base('traces_url')}?service={about.traces if about.traces != SERVICE else service}",
                "logs_url": f"{base('logs_url')}?query={_query(about.logs.replace(SERVICE, service))}",
            },
            keep=_keep(expr) if (layer, severity) == ("cause", "page") else "",
        )

    def team(self, root: str) -> str:
        """The team that owns a node. If the node is only known from a label, a template that finds the team."""
        if not root.startswith("{{"):
            return graph.owner_of(self._catalogue, root)
        value = root.removeprefix("{{").removesuffix("}}").strip()
        branches = []
        for team in graph.teams(self._catalogue):
            owned = [name for name in graph.nodes(self._catalogue) if graph.owner_of(self._catalogue, name) == team]
            if team != graph.PLATFORM_TEAM:
                branches.append(
                    f"if eq {value} {' '.join(chr(34) + name + chr(34) for name in owned)} }}}}{team}{{{{ else "
                )
        return "{{ " + "".join(branches).removesuffix(" ") + f" }}}}{graph.PLATFORM_TEAM}{{{{ end }}}}"


def _query(text: str) -> str:
    """A query encoded for a URL; templates are left unchanged."""
    return text.replace(" ", "%20").replace('"', "%22").replace("{{%20", "{{ ").replace("%20}}", " }}")
