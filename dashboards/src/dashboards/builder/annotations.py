"""Annotations on every graph: process starts with their version, alerts, drills and load runs."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef

from dashboards.builder.queries import LOGS, MARKS, PROMETHEUS


class _Stored(AnnotationQuery):
    """An annotation with its data source's fields, which the SDK's class doesn't have."""

    def __init__(self, name: str, datasource: DataSourceRef, color: str, own: dict[str, Any]) -> None:
        super().__init__(name=name, datasource=datasource, icon_color=color, hide=False, built_in=0)
        self._own = own

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._own}


class Annotation(Builder[AnnotationQuery]):
    """An annotation query: its name, data source, colour, and the data source's own fields."""

    def __init__(self, name: str, datasource: DataSourceRef, color: str, own: dict[str, Any]) -> None:
        self._stored = _Stored(name, datasource, color, own)

    def build(self) -> AnnotationQuery:
        return self._stored


def every() -> list[Builder[AnnotationQuery]]:
    """The annotations that every dashboard has."""
    return [deploys(), alerts(), marks()]


def deploys() -> Annotation:
    """Process starts with their version: a deployment, or a restart of the same version."""
    started = 'max by (service, process, version) (process_start_time_seconds{job="django"}'
    versioned = " * on (job, instance) group_left (version) service_build_info) * 1000"
    return Annotation(
        "Deploys and restarts",
        PROMETHEUS,
        "blue",
        {
            "expr": started + versioned,
            "step": "30s",
            # The value is the time of the start, in milliseconds.
            "useValueForTime": "on",
            "titleFormat": "{{process}} started",
            "textFormat": "version {{version}}",
            "tagKeys": "service,version",
        },
    )


def alerts() -> Annotation:
    """Firing alerts, without the Watchdog, which always fires."""
    return Annotation(
        "Alerts firing",
        PROMETHEUS,
        "red",
        {
            "expr": 'max by (alertname, service, severity) (ALERTS{alertstate="firing", alertname!="Watchdog"})',
            "step": "30s",
            "titleFormat": "{{alertname}}",
            "textFormat": "{{severity}} {{service}}",
            "tagKeys": "alertname,service,severity",
        },
    )


def marks() -> Annotation:
    """Drills (injected, detected, paged, resolved) and load runs (started, finished)."""
    return Annotation(
        "Drills and load",
        LOGS,
        "purple",
        {
            "query": MARKS,
            "timeField": "@timestamp",
            "textField": "message",
            "tagsField": "tags",
        },
    )
