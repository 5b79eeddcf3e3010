"""The variables of the dashboards. Filters take several values; addresses are hidden."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import (
    DatasourceVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.builder.queries import PROMETHEUS

Variable = Builder[VariableModel]

# Default addresses of the other programs. A URL parameter such as var-console_url=… overrides them.
ADDRESSES = {
    "console_url": ("Console", "http://127.0.0.1:8000"),
    "jaeger_url": ("Jaeger", "http://127.0.0.1:16686"),
    "kibana_url": ("Kibana", "http://127.0.0.1:5601"),
}


def data_sources() -> list[Variable]:
    """The data sources that every dashboard queries."""
    kinds = (("datasource", "Metrics", "prometheus"), ("logs", "Logs", "elasticsearch"))
    return [
        DatasourceVariable(name)
        .label(label)
        .description(f"Data source of the {label.lower()}")
        .type(kind)
        .multi(False)
        .include_all(False)
        .hide(VariableHide.DONT_HIDE)
        for name, label, kind in kinds
    ]


def addresses() -> list[Variable]:
    """The addresses of other programs, for links."""
    return [
        TextBoxVariable(name)
        .label(label)
        .description(f"Address of {label}, used by links")
        .default_value(url)
        .current(VariableOption(selected=True, text=url, value=url))
        .options([VariableOption(selected=True, text=url, value=url)])
        .hide(VariableHide.HIDE_VARIABLE)
        for name, (label, url) in ADDRESSES.items()
    ]


def label_values(name: str, label: str, selector: str, value_of: str, description: str, regex: str = "") -> Variable:
    """A filter over the values of the label `value_of` of series that match `selector`. All are selected by default."""
    variable = (
        QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(PROMETHEUS)
        .query({"qryType": 1, "query": f"label_values({selector}, {value_of})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
    return variable.regex(regex) if regex else variable


def service() -> Variable:
    """A filter by service."""
    return label_values("service", "Service", 'up{job="django"}', "service", "Which services to show")


def version() -> Variable:
    """A filter by the versions that the selected services run."""
    return label_values(
        "version", "Version", 'service_build_info{service=~"$service"}', "version", "Which versions' replicas to show"
    )


def process() -> Variable:
    """A filter by the replicas (processes) of the selected services and versions."""
    return label_values(
        "process",
        "Replica",
        'service_build_info{service=~"$service", version=~"$version"}',
        "process",
        "Which processes of the services to show",
    )
