"""The variables of the dashboards. Those for people take several values; those for addresses are hidden."""

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

# Where the other programs are by default; an address with var-console_url=… overrides it.
ADDRESSES = {
    "console_url": ("Console", "http://127.0.0.1:8000"),
    "jaeger_url": ("Jaeger", "http://127.0.0.1:16686"),
    "kibana_url": ("Kibana", "http://127.0.0.1:5601"),
}


def data_sources() -> list[Variable]:
    """The data sources that every dashboard asks."""
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
    """Where links lead."""
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
    """Values of the label `value_of` on series that match `selector`; several can be chosen, all are by default."""
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
    """The services of the platform."""
    return label_values("service", "Service", 'up{job="django"}', "service", "Which services to show")


def version() -> Variable:
    """The versions that the chosen services run."""
    return label_values(
        "version", "Version", 'service_build_info{service=~"$service"}', "version", "Narrows the replicas by version"
    )


def process() -> Variable:
    """The replicas (processes) of the chosen services and versions."""
    return label_values(
        "process",
        "Replica",
        'service_build_info{service=~"$service", version=~"$version"}',
        "process",
        "Which processes of the services to show",
    )
