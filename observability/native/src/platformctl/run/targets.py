"""Prometheus's scrape targets, made from the catalogue. The committed ones have the default ports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from catalogue import Catalogue

from platformctl.run.environment import HOST
from platformctl.settings import Settings

BACKEND_TARGETS: Mapping[str, tuple[str, str]] = {
    # file: (port variable, value of the label `service`)
    "spanmetrics": ("JAEGER_SPANMETRICS_PORT", "jaeger"),
    "jaeger": ("JAEGER_METRICS_PORT", "jaeger"),
    "rabbitmq": ("RABBITMQ_METRICS_PORT", "rabbitmq"),
    "postgres": ("POSTGRES_EXPORTER_PORT", "postgresql"),
    "toxiproxy": ("TOXIPROXY_PORT", "toxiproxy"),
    "prometheus": ("PROMETHEUS_PORT", "prometheus"),
    "alertmanagers": ("ALERTMANAGER_PORT", "alertmanager"),
    "watchdog": ("WATCHDOG_PORT", "watchdog"),
    # Its series carry a `service` of their own: whose log lines they are about.
    "log-pipeline": ("LOG_PIPELINE_PORT", ""),
}


def targets(catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """File name → content of every targets file."""
    files = {f"{name}.json": [_backend(settings, *target)] for name, target in BACKEND_TARGETS.items()}
    files["django.json"] = [
        {
            "targets": [f"{HOST}:{settings.port(process.name, 'metrics')}"],
            "labels": {"service": process.service, "process": process.name},
        }
        for process in catalogue.processes()
    ]
    return {name: json.dumps(groups, indent=2) + "\n" for name, groups in sorted(files.items())}


def _backend(settings: Settings, variable: str, service: str) -> dict[str, Any]:
    labels = {"service": service} if service else {}
    return {"targets": [f"{HOST}:{settings.ports[variable]}"], "labels": labels}
