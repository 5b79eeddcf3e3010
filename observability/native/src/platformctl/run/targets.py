"""Prometheus's scrape targets, generated from the catalogue. The committed ones have the default ports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from catalogue import Catalogue

from platformctl.run.hosts import HostOf
from platformctl.settings import Settings

BACKEND_TARGETS: Mapping[str, tuple[str, str, str]] = {
    # file: (process, port variable, value of the label `service`)
    "spanmetrics": ("jaeger", "JAEGER_SPANMETRICS_PORT", "jaeger"),
    "jaeger": ("jaeger", "JAEGER_METRICS_PORT", "jaeger"),
    "rabbitmq": ("rabbitmq", "RABBITMQ_METRICS_PORT", "rabbitmq"),
    "postgres": ("postgres-exporter", "POSTGRES_EXPORTER_PORT", "postgresql"),
    "toxiproxy": ("toxiproxy", "TOXIPROXY_PORT", "toxiproxy"),
    "prometheus": ("prometheus", "PROMETHEUS_PORT", "prometheus"),
    "alertmanagers": ("alertmanager", "ALERTMANAGER_PORT", "alertmanager"),
    "watchdog": ("watchdog", "WATCHDOG_PORT", "watchdog"),
    # Its series about groups have their own `service` label: the service whose errors they describe.
    "errors": ("error-receiver", "ERRORS_PORT", ""),
    # Its series have their own `service` label: the service whose log lines they describe.
    "log-pipeline": ("log-pipeline-exporter", "LOG_PIPELINE_PORT", ""),
}


def targets(catalogue: Catalogue, settings: Settings, host_of: HostOf) -> dict[str, str]:
    """File name → content of every targets file."""
    files = {f"{name}.json": [_backend(settings, host_of, *target)] for name, target in BACKEND_TARGETS.items()}
    files["django.json"] = [
        {
            "targets": [f"{host_of(process.name)}:{settings.port(process.name, 'metrics')}"],
            "labels": {"service": process.service, "process": process.name},
        }
        for process in catalogue.processes()
    ]
    return {name: json.dumps(groups, indent=2) + "\n" for name, groups in sorted(files.items())}


def _backend(settings: Settings, host_of: HostOf, process: str, variable: str, service: str) -> dict[str, Any]:
    labels = {"service": service} if service else {}
    return {"targets": [f"{host_of(process)}:{settings.ports[variable]}"], "labels": labels}
